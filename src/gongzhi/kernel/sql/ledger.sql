-- What act() and its readers need beside the generated functions.

-- What an action must know before it is written: the record as it stands and its wrapped key, if it is seen.
CREATE FUNCTION kernel.look(p_post bigint, p_record uuid, p_follow bytea)
RETURNS TABLE (service text, stage text, version int, place bigint, place_path text, agency bigint,
               stage_at timestamptz, due_at timestamptz, paused_at timestamptz, wrapped bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.service, r.stage, r.version, r.place_id, r.place_path, r.agency_id, r.stage_at, r.due_at, r.paused_at,
           k.wrapped
    FROM kernel.reach(p_post) a, public.register r JOIN public.record_key k ON k.record_id = r.id
    WHERE r.id = p_record
      AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care,
                         CASE WHEN r.follow = p_follow THEN r.id END)
$$;

-- What the post itself did under this key, also to a record that the act took out of its sight.
CREATE FUNCTION kernel.did(p_post bigint, p_idem text)
RETURNS TABLE (record uuid, number text, version int, stage text, service text, action text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.id, r.number, e.version, e.stage_to, r.service, e.action
    FROM kernel.reach(p_post) a, public.entry e JOIN public.register r ON r.id = e.record_id
    WHERE e.post_id = p_post AND e.idem = p_idem
$$;

-- Search: the word test is not leakproof, so under row policies its index would not be used; here the rule is repeated.
CREATE FUNCTION kernel.find(p_post bigint, p_words text[], p_service text, p_limit int)
RETURNS TABLE (record uuid, opened_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.id, r.opened_at
    FROM kernel.reach(p_post) a, public.register_words w JOIN public.register r ON r.id = w.record_id
    WHERE w.words @@ (SELECT string_agg(quote_literal(t), ' & ')::tsquery FROM unnest(p_words) t)
      AND (p_service = '' OR r.service = p_service)
      AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL)
    ORDER BY r.opened_at DESC LIMIT p_limit
$$;

-- Records that share words with a text, the most shared first: for duplicates. Only what the post sees.
CREATE FUNCTION kernel.alike(p_post bigint, p_words text[], p_least int, p_limit int)
RETURNS TABLE (record uuid, shared text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.id, s.shared
    FROM kernel.reach(p_post) a, public.register_words w
    JOIN public.register r ON r.id = w.record_id AND r.closed_at IS NULL,
    LATERAL (SELECT array_agg(t) AS shared FROM unnest(p_words) t WHERE w.words @@ quote_literal(t)::tsquery) s
    WHERE w.words @@ (SELECT string_agg(quote_literal(t), ' | ')::tsquery FROM unnest(p_words) t)
      AND cardinality(s.shared) >= p_least
      AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL)
    ORDER BY cardinality(s.shared) DESC, r.opened_at DESC LIMIT p_limit
$$;

-- The transaction that writes a look commits to the disk, whatever the session's setting.
CREATE FUNCTION kernel.insist() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF current_setting('synchronous_commit') = 'off' THEN PERFORM set_config('synchronous_commit', 'on', true); END IF;
END $$;

-- First step of a disclosure: write down who looks, at what, for which purpose of the service's list. Answers false where it
-- may not be: the list does not have the purpose for this role, or its seal has no end or too late a one; an e-mail address is
-- opened by the clock alone, to tell the person, and the clock opens nothing else. The basis is kept as it is cited today. With
-- the field "words" p_party is the record's own id: its texts are read with the numbers in them.
CREATE FUNCTION kernel.ask(p_post bigint, p_party uuid, p_disclosure uuid, p_entry uuid, p_at timestamptz,
                           p_purpose text, p_fields text, p_body text, p_sealed bytea DEFAULT NULL,
                           p_until timestamptz DEFAULT NULL) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
    r record;
    v_record uuid;
    v_party uuid;
    v_basis text;
BEGIN
    SELECT * INTO a FROM kernel.reach(p_post);
    IF NOT FOUND OR p_at NOT BETWEEN clock_timestamp() - interval '10 minutes' AND clock_timestamp() + interval '10 minutes'
       OR NOT (CASE WHEN a.role = 'clock' THEN p_fields = 'mail'
                              ELSE 'mail' <> ALL (string_to_array(p_fields, ' ')) END)
    THEN RETURN false; END IF;
    SELECT g.id, p.id, u.basis INTO v_record, v_party, v_basis
      FROM public.register g LEFT JOIN public.party p ON p.id = p_party AND p.record_id = g.id
      JOIN (VALUES {purposes}) AS u(service, code, roles, sealed, basis) ON u.service = g.service AND u.code = p_purpose
     WHERE g.id = CASE WHEN p_fields = 'words' THEN p_party
                       ELSE (SELECT q.record_id FROM public.party q WHERE q.id = p_party) END
       AND a.role = ANY (string_to_array(u.roles, ' '))
       AND CASE WHEN u.sealed = 0 THEN p_until IS NULL
                ELSE p_until > now() AND p_until < now() + make_interval(days => u.sealed + 1) END;
    IF NOT FOUND THEN RETURN false; END IF;
    UPDATE public.register g
       SET entries = g.entries + 1, head = sha256(g.head || convert_to(p_body, 'UTF8'))
     WHERE g.id = v_record
       AND kernel.allowed(g.service, g.place_path, g.agency_id, g.id, a.low, a.high, a.own, a.care, NULL)
    RETURNING g.id, g.stage, new.version, new.entries, new.head INTO r;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO public.entry (id, record_id, seq, at, post_id, account_id, agency_id, action, stage_from, stage_to,
                              version, alg, body, hash, sealed)
    VALUES (p_entry, r.id, r.entries, p_at, p_post, a.account, a.agency, 'disclose', r.stage, r.stage, r.version,
            'sha256', p_body, r.head, p_sealed);
    PERFORM kernel.insist();
    INSERT INTO public.disclosure (id, party_id, record_id, post_id, account_id, agency_id, purpose, basis, fields, at,
                                   sealed_until)
    VALUES (p_disclosure, v_party, r.id, p_post, a.account, a.agency, p_purpose, v_basis, p_fields, p_at, p_until);
    RETURN true;
END $$;

-- Who looked at the person whose matter it is, the newest look first: answers to the holder of the follow-up code alone. Names
-- no clerk, but agency and role; a look under a seal is there from the day on which the seal ends.
CREATE FUNCTION kernel.looked(p_number text, p_follow bytea)
RETURNS TABLE (at timestamptz, agency text, role text, purpose text, basis text, fields text, sealed_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.at, g.title::text, t.role::text, d.purpose::text, d.basis::text, d.fields::text, d.sealed_until
    FROM public.register r JOIN public.disclosure d ON d.record_id = r.id LEFT JOIN public.party p ON p.id = d.party_id
    JOIN public.post t ON t.id = d.post_id JOIN public.agency g ON g.id = d.agency_id
    WHERE r.number = p_number AND r.follow = p_follow
      AND (d.party_id IS NULL OR (r.service, p.role) IN ({asking})) AND (d.sealed_until IS NULL OR d.sealed_until <= now())
    ORDER BY d.at DESC, d.id DESC
$$;

-- Whether the transaction that wrote a line has committed, and outlives a crash: where commits are told before they lie on the
-- disk, all that was written until now is forced there first. A restored one lies below zero.
CREATE FUNCTION kernel.durable(p_xid bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF p_xid <= 0 OR pg_xact_status(p_xid::text::xid8) IS DISTINCT FROM 'committed' THEN RETURN false; END IF;
    IF current_setting('synchronous_commit') = 'off' THEN PERFORM pg_logical_emit_message(false, 'gongzhi', '', true); END IF;
    RETURN true;
END $$;

-- Second step: the ciphertext, only once the transaction that wrote the disclosure has committed, only to the post that
-- asked, within ten minutes. In one transaction a rollback would keep the name and lose the log.
CREATE FUNCTION kernel.take(p_post bigint, p_disclosure uuid)
RETURNS TABLE (party uuid, key bytea, name bytea, phone bytea, address bytea)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.id, p.key,
           CASE WHEN 'name' = ANY (string_to_array(d.fields, ' ')) THEN p.name END,
           CASE WHEN 'phone' = ANY (string_to_array(d.fields, ' ')) THEN p.phone END,
           CASE WHEN 'address' = ANY (string_to_array(d.fields, ' ')) THEN p.address END
    FROM public.disclosure d JOIN public.party p ON p.id = d.party_id
    JOIN public.register r ON r.id = d.record_id
    CROSS JOIN kernel.reach(p_post) a
    WHERE d.id = p_disclosure AND d.post_id = p_post AND d.at > clock_timestamp() - interval '10 minutes'
      AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL)
      AND kernel.durable(d.xid)
$$;

-- The same for the texts of a record: its id.
CREATE FUNCTION kernel.take_words(p_post bigint, p_disclosure uuid) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.id
    FROM public.disclosure d JOIN public.register r ON r.id = d.record_id
    CROSS JOIN kernel.reach(p_post) a
    WHERE d.id = p_disclosure AND d.post_id = p_post AND d.at > clock_timestamp() - interval '10 minutes' AND d.fields = 'words'
      AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL)
      AND kernel.durable(d.xid)
$$;

-- The same for the address of a person who wants to be told, which only the clock takes.
CREATE FUNCTION kernel.take_mail(p_post bigint, p_disclosure uuid) RETURNS TABLE (party uuid, key bytea, mail bytea)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.id, p.key, p.mail
    FROM public.disclosure d JOIN public.party p ON p.id = d.party_id
    CROSS JOIN kernel.reach(p_post) a
    WHERE d.id = p_disclosure AND d.post_id = p_post AND d.at > clock_timestamp() - interval '10 minutes'
      AND a.role = 'clock' AND d.fields = 'mail'
      AND kernel.durable(d.xid)
$$;

-- Sign-in reads an account's hash through here alone.
CREATE FUNCTION kernel.credentials(p_login text) RETURNS TABLE (account bigint, password text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT id, password FROM public.account WHERE login = p_login AND active
$$;

-- How many steps each agency did since a moment and how many of them too late, of the records that the post sees, in one
-- part of its area where one is given. A row policy would look every step's record up by itself; whoever sees the whole
-- city needs no record at all.
CREATE FUNCTION kernel.kept(p_post bigint, p_since timestamptz, p_low text, p_high text)
RETURNS TABLE (agency bigint, done bigint, missed bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
BEGIN
    SELECT * INTO a FROM kernel.reach(p_post);
    IF NOT FOUND THEN RETURN; END IF;
    IF p_low IS NULL AND a.low = (SELECT min(l.path) FROM public.place l) THEN
        RETURN QUERY SELECT k.agency_id, count(*), count(*) FILTER (WHERE k.met_at > k.due_at)
        FROM public.deadline_kept k WHERE k.met_at >= p_since{care_kept} GROUP BY k.agency_id;
    ELSE
        RETURN QUERY SELECT k.agency_id, count(*), count(*) FILTER (WHERE k.met_at > k.due_at)
        FROM public.deadline_kept k JOIN public.register r ON r.id = k.record_id
        WHERE k.met_at >= p_since AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL)
          AND (p_low IS NULL OR (r.place_path >= p_low AND r.place_path < p_high))
        GROUP BY k.agency_id;
    END IF;
END $$;

-- The posts of an account, before any of them acts.
CREATE FUNCTION kernel.posts_of(p_account bigint)
RETURNS TABLE (post bigint, account bigint, agency bigint, role text, low text, high text, own bigint, place bigint,
               name text, agency_title text, place_name text, behalf text, epoch int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.id, r.account, r.agency, r.role, r.low, r.high, r.own, r.place, c.name::text, g.short::text, l.name::text,
           coalesce((SELECT h.name::text FROM public.post o JOIN public.account h ON h.id = o.account_id
                     WHERE o.id = p.behalf_id), ''), c.epoch
    FROM public.post p CROSS JOIN kernel.reach(p.id) r
    JOIN public.account c ON c.id = r.account JOIN public.agency g ON g.id = r.agency
    JOIN public.place l ON l.id = r.place
    WHERE p.account_id = p_account ORDER BY p.behalf_id IS NOT NULL, p.id
$$;

CREATE FUNCTION kernel.post(p_post bigint)
RETURNS TABLE (post bigint, account bigint, agency bigint, role text, low text, high text, own bigint, place bigint,
               name text, agency_title text, place_name text, behalf text, epoch int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.post, p.account, p.agency, p.role, p.low, p.high, p.own, p.place, p.name, p.agency_title, p.place_name,
           p.behalf, p.epoch
    FROM public.post t CROSS JOIN kernel.posts_of(t.account_id) p WHERE t.id = p_post AND p.post = p_post
$$;

-- A part of the system that acts: the portal, the clock, the loader.
CREATE FUNCTION kernel.system_post(p_login text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT p.id FROM public.post p JOIN public.account a ON a.id = p.account_id
    WHERE a.login = p_login AND p.role = p_login
$$;

-- The worker's own doors: read the outbox, tell agencies, move on. Only the clock's post passes.
CREATE FUNCTION kernel.outbox(p_reader text, p_limit int)
RETURNS TABLE (xid bigint, id uuid, record uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.xid, e.id, e.record_id FROM public.entry e
    WHERE (e.xid, e.id) > (coalesce((SELECT o.xid FROM public.outbox_position o WHERE o.reader = p_reader),
                                    '-9223372036854775808'::bigint),
                           coalesce((SELECT o.entry FROM public.outbox_position o WHERE o.reader = p_reader),
                                    '00000000-0000-0000-0000-000000000000'))
      AND e.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    ORDER BY e.xid, e.id LIMIT p_limit
$$;

CREATE FUNCTION kernel.tell(p_post bigint, p_notices jsonb, p_reader text, p_xid bigint, p_entry uuid) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told int;
BEGIN
    IF (SELECT role FROM kernel.reach(p_post)) IS DISTINCT FROM 'clock' THEN
        RAISE EXCEPTION 'only the clock tells' USING ERRCODE = 'insufficient_privilege';
    END IF;
    -- A worker of the release before still tells in finished sentences, until it ends.
    INSERT INTO public.notice (record_id, agency_id, kind, about, text, at, once)
    SELECT n.record, n.agency, n.kind, coalesce(n.about, '{}'), coalesce(n.text, ''), n.at, n.once
    FROM jsonb_to_recordset(p_notices) AS n(record uuid, agency bigint, kind text, about jsonb, text text, at timestamptz,
                                            once text)
    ON CONFLICT (once) DO NOTHING;
    GET DIAGNOSTICS told = ROW_COUNT;
    IF p_reader <> '' THEN
        INSERT INTO public.outbox_position AS o (reader, xid, entry) VALUES (p_reader, p_xid, p_entry)
        ON CONFLICT (reader) DO UPDATE SET xid = excluded.xid, entry = excluded.entry
        WHERE (o.xid, o.entry) < (excluded.xid, excluded.entry);
    END IF;
    IF told > 0 THEN
        PERFORM pg_notify('gongzhi', (SELECT string_agg(DISTINCT n.agency::text, ' ')
            FROM jsonb_to_recordset(p_notices) AS n(agency bigint)));
    END IF;
    RETURN told;
END $$;

CREATE FUNCTION kernel.read_notices(p_post bigint, p_notices bigint[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    INSERT INTO public.notice_read (notice_id, account_id)
    SELECT n.id, a.account FROM kernel.reach(p_post) a JOIN public.notice n ON n.agency_id = a.agency
    WHERE n.id = ANY (p_notices)
    ON CONFLICT DO NOTHING
$$;

-- What a plate on a door says, to whoever stands before it: the text printed on it, the place, and who works the grid. Only
-- services with a plate; the caller has checked the plate's own code, so that numbers cannot be tried out.
CREATE FUNCTION kernel.plate(p_number text)
RETURNS TABLE (service text, title text, place bigint, place_name text, worker text, agency text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.service, r.title, r.place_id, l.name::text, w.name, w.short
    FROM public.register r JOIN public.place l ON l.id = r.place_id
    LEFT JOIN LATERAL (
        SELECT c.name::text, g.short::text FROM public.post p
        CROSS JOIN kernel.reach(p.id) a
        JOIN public.account c ON c.id = p.account_id JOIN public.agency g ON g.id = p.agency_id
        WHERE p.role = 'grid' AND r.place_path >= a.low AND r.place_path < a.high
        ORDER BY length(a.low) DESC, p.id LIMIT 1) w ON true
    WHERE r.number = p_number AND r.closed_at IS NULL AND r.service IN ({plated})
$$;
