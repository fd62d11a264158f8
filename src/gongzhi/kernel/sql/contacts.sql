-- Addresses of accounts, and what the worker needs to tell people outside the platform. Addresses can open an account (a
-- password is reset by mail), so every change of one is a line in the directory's chain, without the address itself.

-- Put an address: one's own with the hash of a code that was sent there, or as an administrator, unproven and without a code.
CREATE FUNCTION kernel.put_contact(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_account bigint,
                                   p_channel text, p_key bytea, p_address bytea, p_hint text, p_code bytea,
                                   p_until timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_own boolean := p_account = (SELECT a.account FROM kernel.reach(p_post) a);
    v_id bigint;
BEGIN
    IF NOT kernel.keeps_contacts(p_post, p_account) THEN RETURN NULL; END IF;
    INSERT INTO public.contact AS c (account_id, channel, hint, put_at, key, address, code, code_until, tries)
    VALUES (p_account, p_channel, p_hint, p_at, p_key, p_address, CASE WHEN v_own THEN p_code END, p_until, 0)
    ON CONFLICT (account_id, channel) DO UPDATE
       SET hint = excluded.hint, put_at = excluded.put_at, key = excluded.key, address = excluded.address,
           code = excluded.code, code_until = excluded.code_until, tries = 0, verified_at = NULL
    RETURNING c.id INTO v_id;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'put_contact', p_body);
    RETURN v_id;
END $$;

-- Whose addresses a post may change: one's own, and as an administrator those of accounts whose every post lies within the
-- own area.
CREATE FUNCTION kernel.keeps_contacts(p_post bigint, p_account bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.account = p_account)
        OR (EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.role = 'admin') AND NOT EXISTS (
            SELECT FROM public.post t JOIN public.place l ON l.id = t.place_id
            WHERE t.account_id = p_account AND NOT kernel.governs(p_post, l.path)))
$$;

-- A new code for one's own address.
CREATE FUNCTION kernel.new_contact_code(p_post bigint, p_channel text, p_code bytea, p_until timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.contact c SET code = p_code, code_until = p_until, tries = 0
      FROM kernel.reach(p_post) a WHERE c.account_id = a.account AND c.channel = p_channel AND c.verified_at IS NULL;
    RETURN FOUND;
END $$;

-- Prove one's own address with the code: five tries a code.
CREATE FUNCTION kernel.confirm_contact(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_channel text,
                                       p_code bytea) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v record;
BEGIN
    UPDATE public.contact c SET tries = c.tries + 1
      FROM kernel.reach(p_post) a
     WHERE c.account_id = a.account AND c.channel = p_channel AND c.verified_at IS NULL AND c.code IS NOT NULL
       AND c.tries < 5 AND c.code_until > clock_timestamp()
    RETURNING c.id, c.code INTO v;
    IF NOT FOUND THEN RETURN 'ended'; END IF;
    IF v.code IS DISTINCT FROM p_code THEN RETURN 'wrong'; END IF;
    UPDATE public.contact c SET verified_at = p_at, code = NULL, code_until = NULL WHERE c.id = v.id;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'confirm_contact', p_body);
    RETURN 'done';
END $$;

CREATE FUNCTION kernel.drop_contact(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_account bigint,
                                    p_channel text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT kernel.keeps_contacts(p_post, p_account) THEN RETURN false; END IF;
    DELETE FROM public.contact c WHERE c.account_id = p_account AND c.channel = p_channel;
    IF NOT FOUND THEN RETURN false; END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'drop_contact', p_body);
    RETURN true;
END $$;

-- The address itself: for its owner, and for the clock, which sends.
CREATE FUNCTION kernel.contact(p_post bigint, p_account bigint, p_channel text)
RETURNS TABLE (id bigint, key bytea, address bytea, verified_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, c.key, c.address, c.verified_at
    FROM kernel.reach(p_post) a JOIN public.contact c ON c.account_id = p_account AND c.channel = p_channel
    JOIN public.account o ON o.id = c.account_id AND o.active
    WHERE a.account = p_account OR a.role = 'clock'
$$;

-- Whether an account has a proven address; without it nothing is queued.
CREATE FUNCTION kernel.reachable(p_account bigint, p_channel text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM public.contact c JOIN public.account o ON o.id = c.account_id AND o.active
                   WHERE c.account_id = p_account AND c.channel = p_channel AND c.verified_at IS NOT NULL)
$$;

-- Notices that have not gone beyond the page yet, with the accounts that see them and can be reached; a notice that nobody
-- outside waits for has one row without an account.
CREATE FUNCTION kernel.unspread(p_post bigint, p_limit int)
RETURNS TABLE (notice bigint, kind text, at timestamptz, account bigint, channel text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT n.id, n.kind, n.at, w.account, w.channel
    FROM kernel.reach(p_post) a
    CROSS JOIN LATERAL (SELECT m.id, m.kind::text, m.at, m.agency_id FROM public.notice m
                        WHERE NOT m.spread ORDER BY m.id LIMIT p_limit) n
    LEFT JOIN LATERAL (
        SELECT r.account, c.channel::text FROM public.post p CROSS JOIN kernel.reach(p.id) r
        JOIN public.contact c ON c.account_id = r.account AND c.verified_at IS NOT NULL
        WHERE p.agency_id = n.agency_id AND r.own = n.agency_id) w ON true
    WHERE a.role = 'clock' ORDER BY n.id
$$;

CREATE FUNCTION kernel.mark_spread(p_post bigint, p_notices bigint[]) RETURNS int
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    marked int;
BEGIN
    IF (SELECT role FROM kernel.reach(p_post)) IS DISTINCT FROM 'clock' THEN
        RAISE EXCEPTION 'only the clock tells' USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE public.notice n SET spread = true WHERE n.id = ANY (p_notices) AND NOT n.spread;
    GET DIAGNOSTICS marked = ROW_COUNT;
    RETURN marked;
END $$;
