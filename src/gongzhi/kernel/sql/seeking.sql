-- Finding records by the telephone number of a person in them. Keyed hashes are compared; nothing is opened.

-- First step: write down that the post searches a service, and for which purpose of its list; a purpose under a seal is none
-- here. The line holds a salted digest of the keyed hash, and nobody keeps the salt: it ties the second step to this search,
-- and tells nobody afterwards whom it was for. Nothing where it may not be.
CREATE FUNCTION kernel.seek_person(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_service text,
                                   p_purpose text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF p_at NOT BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes'
       OR (p_body::jsonb -> 'set' ->> 'service', p_body::jsonb -> 'set' ->> 'purpose') IS DISTINCT FROM (p_service, p_purpose)
       OR NOT EXISTS (
           SELECT FROM kernel.reach(p_post) a
           JOIN (VALUES {purposes}) AS u(service, code, roles, sealed, basis) ON u.service = p_service AND u.code = p_purpose
           WHERE a.role <> 'clock' AND u.sealed = 0 AND a.role = ANY (string_to_array(u.roles, ' ')))
    THEN RETURN NULL; END IF;
    PERFORM kernel.insist();
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'seek_person', p_body);
    RETURN p_entry;
END $$;

-- Second step, once that line has committed, to the post that wrote it, within ten minutes: the newest records that the post
-- sees and that have a person of this number, one id of p_entries and p_looks for each. That it was found is a look at the
-- person, written into the record's own log; where several in it have the number, at the one who asked. p_body is the look's
-- text with marks where record, number, person and ids belong.
CREATE FUNCTION kernel.sought(p_post bigint, p_line uuid, p_index bytea, p_salt bytea, p_at timestamptz, p_body text,
                              p_entries uuid[], p_looks uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off AS $$
DECLARE
    a record;
    s record;
    m record;
    r record;
    v_body text;
    v_count int := 0;
BEGIN
    SELECT * INTO a FROM kernel.reach(p_post);
    IF NOT FOUND OR p_at NOT BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes'
    THEN RETURN; END IF;
    SELECT u.service, u.code, u.basis INTO s
      FROM public.entry e JOIN (VALUES {purposes}) AS u(service, code, roles, sealed, basis)
        ON u.service = e.body::jsonb -> 'set' ->> 'service' AND u.code = e.body::jsonb -> 'set' ->> 'purpose'
     WHERE e.id = p_line AND e.post_id = p_post AND e.action = 'seek_person'
       AND e.at > clock_timestamp() - interval '10 minutes'
       AND e.body::jsonb -> 'set' ->> 'sought' = encode(sha256(p_salt || convert_to(encode(p_index, 'hex'), 'UTF8')), 'hex')
       AND kernel.durable(e.xid);
    IF NOT FOUND THEN RETURN; END IF;
    FOR m IN
        SELECT g.id, g.number,
               (array_agg(p.id ORDER BY (g.service, p.role) IN ({asking}) DESC, p.id))[1] AS party
          FROM public.party p JOIN public.register g ON g.id = p.record_id
         WHERE p.phone_index = p_index AND g.service = s.service
           AND kernel.allowed(g.service, g.place_path, g.agency_id, g.id, a.low, a.high, a.own, a.care, NULL)
         GROUP BY g.id ORDER BY g.opened_at DESC, g.id LIMIT least(cardinality(p_entries), cardinality(p_looks))
    LOOP
        v_count := v_count + 1;
        v_body := replace(replace(replace(replace(replace(p_body, '<record>', m.id::text), '<party>', m.party::text),
                          '<id>', p_entries[v_count]::text), '<disclosure>', p_looks[v_count]::text),
                          '"<number>"', to_json(m.number)::text);
        UPDATE public.register g
           SET entries = g.entries + 1, head = sha256(g.head || convert_to(v_body, 'UTF8'))
         WHERE g.id = m.id
           AND kernel.allowed(g.service, g.place_path, g.agency_id, g.id, a.low, a.high, a.own, a.care, NULL)
        RETURNING g.id, g.stage, new.version, new.entries, new.head INTO r;
        CONTINUE WHEN NOT FOUND;
        INSERT INTO public.entry (id, record_id, seq, at, post_id, account_id, agency_id, action, stage_from, stage_to,
                                  version, alg, body, hash)
        VALUES (p_entries[v_count], r.id, r.entries, p_at, p_post, a.account, a.agency, 'disclose', r.stage, r.stage,
                r.version, 'sha256', v_body, r.head);
        INSERT INTO public.disclosure (id, party_id, record_id, post_id, account_id, agency_id, purpose, basis, fields, at)
        VALUES (p_looks[v_count], m.party, r.id, p_post, a.account, a.agency, s.code, s.basis, 'sought', p_at);
        PERFORM kernel.insist();
        RETURN NEXT r.id;
    END LOOP;
END $$;
