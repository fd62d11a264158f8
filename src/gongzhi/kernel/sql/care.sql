-- Teams of care: which posts see the records of a service of care, among those that they see anyway.

-- Put a post into a service's team: an administrator, for a post of the own area that is not of the own account.
CREATE FUNCTION kernel.name_care(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_member bigint,
                                 p_service text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_today date := (now() AT TIME ZONE {zone})::date;
    v_id bigint;
BEGIN
    PERFORM FROM public.post t JOIN public.place l ON l.id = t.place_id
     WHERE t.id = p_member AND t.role IN ({staff_roles}) AND kernel.governs(p_post, l.path) AND p_service = ANY ({care})
       AND t.account_id <> (SELECT a.account FROM kernel.reach(p_post) a)
       AND (t.until IS NULL OR t.until > v_today) FOR UPDATE OF t;
    IF NOT FOUND THEN RETURN NULL; END IF;
    IF EXISTS (SELECT FROM public.care_member m
                WHERE m.post_id = p_member AND m.service = p_service AND (m.until IS NULL OR m.until > v_today)) THEN
        RAISE unique_violation USING CONSTRAINT = 'care_held';
    END IF;
    INSERT INTO public.care_member (post_id, service, since) VALUES (p_member, p_service, v_today) RETURNING id INTO v_id;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'name_care', p_body);
    RETURN v_id;
END $$;

-- Let a post out of a team, today. An administrator may end every membership of the own area.
CREATE FUNCTION kernel.end_care(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_member bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_today date := (now() AT TIME ZONE {zone})::date;
BEGIN
    UPDATE public.care_member m SET until = v_today
      FROM public.post t JOIN public.place l ON l.id = t.place_id
     WHERE m.id = p_member AND t.id = m.post_id AND (m.until IS NULL OR m.until > v_today) AND kernel.governs(p_post, l.path);
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'end_care', p_body);
    RETURN p_member;
END $$;
