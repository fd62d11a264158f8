-- Erasure: the keys of a closed record and of its persons are destroyed, and what stood in columns is blanked. What is left
-- are codes, days, places and figures, and a chain that still verifies. Answers the addresses of the attachments whose files
-- go with it; nothing where the record is open, gone, held, not yet at the end of the period that the entry gives as the
-- reason, or was changed meanwhile. Whose clock is not the database's erases nothing.
CREATE FUNCTION kernel.erase(p_post bigint, p_record uuid, p_version int, p_entry uuid, p_at timestamptz, p_body text,
                             p_gone text) RETURNS text[]
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
    r record;
BEGIN
    SELECT * INTO a FROM kernel.reach(p_post);
    IF a.role IS DISTINCT FROM 'clock' THEN
        RAISE EXCEPTION 'only the clock erases' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_at IS NULL OR p_at NOT BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes' THEN
        RAISE EXCEPTION 'the time of the erasure is not the database''s' USING ERRCODE = 'datetime_field_overflow';
    END IF;
    UPDATE public.register g
       SET entries = g.entries + 1, version = g.version + 1, head = sha256(g.head || convert_to(p_body, 'UTF8')),
           title = p_gone, lon = NULL, lat = NULL, follow = NULL, erased = true
     WHERE g.id = p_record AND g.version = p_version AND g.closed_at IS NOT NULL AND g.service <> 'directory'
       AND NOT g.erased AND coalesce(g.held_until, '-infinity') < (now() AT TIME ZONE {zone})::date
       AND (p_body::jsonb ->> 'because' IS DISTINCT FROM 'period' OR g.closed_at <= now() - make_interval(
            years => (SELECT t.years FROM (VALUES {retention}) AS t(service, years) WHERE t.service = g.service)))
    RETURNING g.id, g.stage, g.version, g.entries, g.head INTO r;
    IF NOT FOUND THEN RETURN NULL; END IF;
    INSERT INTO public.entry (id, record_id, seq, at, post_id, account_id, agency_id, action, stage_from, stage_to,
                              version, alg, body, hash)
    VALUES (p_entry, r.id, r.entries, p_at, p_post, a.account, a.agency, 'erase', r.stage, r.stage, r.version, 'sha256',
            p_body, r.head);
    UPDATE public.record_key SET wrapped = NULL WHERE record_id = r.id;
    UPDATE public.party SET key = NULL, name = NULL, phone = NULL, address = NULL, mail = NULL, phone_index = NULL,
                            mail_index = NULL, known = '' WHERE record_id = r.id;
    UPDATE public.register_words SET words = ''::tsvector WHERE record_id = r.id;
    UPDATE public.task SET title = p_gone WHERE record_id = r.id;
    UPDATE public.notice SET text = '' WHERE record_id = r.id;
    UPDATE public.attachment SET name = '' WHERE record_id = r.id;
{erasing}
    RETURN ARRAY(SELECT t.address::text FROM public.attachment t WHERE t.record_id = r.id);
END $$;

-- Closed records whose period ends until a moment, the first to end first; p_free leaves out what is held today.
CREATE FUNCTION kernel.ending(p_post bigint, p_until timestamptz, p_limit int, p_free boolean DEFAULT false)
RETURNS TABLE (record uuid, number text, service text, closed_at timestamptz, ends_at timestamptz, held_until date)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT g.*
    FROM kernel.reach(p_post) a, (VALUES {retention}) AS t(service, years)
    CROSS JOIN LATERAL (
        SELECT g.id, g.number::text, g.service::text, g.closed_at, g.closed_at + make_interval(years => t.years), g.held_until
        FROM public.register g
        WHERE g.service = t.service AND g.closed_at IS NOT NULL AND NOT g.erased
          AND g.closed_at <= p_until - make_interval(years => t.years) + interval '1 day'
          AND g.closed_at + make_interval(years => t.years) <= p_until
          AND NOT (p_free AND coalesce(g.held_until, '-infinity') >= (now() AT TIME ZONE {zone})::date)
        ORDER BY g.closed_at LIMIT p_limit) g
    WHERE a.role = 'clock'
    ORDER BY 5, 1 LIMIT p_limit
$$;

-- The notices of those of these records that were erased: what carries them on is to be dropped.
CREATE FUNCTION kernel.erased_notices(p_post bigint, p_records uuid[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT n.id FROM kernel.reach(p_post) a, public.notice n JOIN public.register g ON g.id = n.record_id
    WHERE a.role = 'clock' AND g.id = ANY (p_records) AND g.erased
$$;
