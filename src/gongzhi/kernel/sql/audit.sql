-- Who may do what: answers for administrators, from the very rule that the row policies use (kernel.reach, kernel.allowed).

-- Write down that an administrator looks, at what ("record <id>", "account <id>"); the same look within ten minutes is one
-- line. Answers the line.
CREATE FUNCTION kernel.look_rights(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_about text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id uuid;
BEGIN
    IF (SELECT a.role FROM kernel.reach(p_post) a) IS DISTINCT FROM 'admin' THEN RETURN NULL; END IF;
    SELECT e.id INTO v_id FROM public.register r JOIN public.entry e ON e.record_id = r.id
     WHERE r.service = 'directory' AND e.post_id = p_post AND e.action = 'look_rights'
       AND e.at > clock_timestamp() - interval '10 minutes' AND e.body::jsonb -> 'set' ->> 'about' = p_about
     ORDER BY e.seq DESC LIMIT 1;
    IF FOUND THEN RETURN v_id; END IF;
    IF p_body::jsonb -> 'set' ->> 'about' IS DISTINCT FROM p_about THEN RETURN NULL; END IF;
    PERFORM kernel.insist();
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'look_rights', p_body);
    RETURN p_entry;
END $$;

-- The posts of today and what they see of a record: those of one account, or every post that sees it. Answers only once
-- the line that was written for the look has committed, and only of records that the administrator's own post sees.
CREATE FUNCTION kernel.rights_on(p_post bigint, p_look uuid, p_record uuid, p_account bigint)
RETURNS TABLE (post bigint, account bigint, name text, agency bigint, agency_title text, role text, place text, sees boolean,
               by_area boolean, by_agency boolean)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT q.id, a.account, kernel.named(a.account, q.id), a.agency, g.short::text, a.role, l.name::text, s.sees,
           coalesce(kernel.allowed(r.service, r.place_path, NULL, NULL, a.low, a.high, NULL, a.care, NULL), false),
           coalesce(kernel.allowed(r.service, NULL, r.agency_id, NULL, NULL, NULL, a.own, a.care, NULL), false)
    FROM kernel.reach(p_post) me
    JOIN public.register r ON r.id = p_record AND r.service <> 'directory'
     AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, me.low, me.high, me.own, me.care, NULL)
    JOIN public.entry e ON e.id = p_look AND e.post_id = p_post AND e.action = 'look_rights'
     AND e.at > clock_timestamp() - interval '30 minutes' AND e.body::jsonb -> 'set' ->> 'about' = 'record ' || p_record
     AND kernel.durable(e.xid)
    CROSS JOIN public.post q
    CROSS JOIN LATERAL kernel.reach(q.id) a
    JOIN public.agency g ON g.id = a.agency JOIN public.place l ON l.id = a.place
    CROSS JOIN LATERAL (
        SELECT coalesce(kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL),
                        false) AS sees) s
    WHERE me.role = 'admin' AND ((p_account IS NULL AND s.sees) OR q.account_id = p_account)
    ORDER BY q.behalf_id IS NOT NULL, q.id
$$;
