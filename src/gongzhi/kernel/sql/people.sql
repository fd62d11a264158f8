-- People who work here: delegation for a leave, second factors, links that set a password, identities from outside.

-- Lend a post to another account from one day to another. Its holder lends it to a colleague of the same agency; an
-- administrator lends any post of the own area but the own one, and not to the own account. So nobody lends an
-- administrator's post by oneself. A delegate lends nothing, and one post has one delegate at a time.
CREATE FUNCTION kernel.lend_post(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_lent bigint, p_to bigint,
                                 p_since date, p_until date, p_note text, p_salt bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    a record;
    v record;
    v_id bigint;
    v_today date := (now() AT TIME ZONE {zone})::date;
BEGIN
    SELECT r.*, t.behalf_id INTO a FROM kernel.reach(p_post) r JOIN public.post t ON t.id = p_post;
    IF NOT FOUND OR a.behalf_id IS NOT NULL THEN RETURN NULL; END IF;
    SELECT t.*, l.path INTO v FROM public.post t JOIN public.place l ON l.id = t.place_id
     WHERE t.id = p_lent AND t.behalf_id IS NULL AND t.role IN ({staff_roles}) FOR UPDATE OF t;
    IF NOT FOUND OR v.account_id = p_to THEN RETURN NULL; END IF;
    IF NOT EXISTS (
        SELECT FROM public.post c CROSS JOIN kernel.reach(c.id) q
        WHERE c.account_id = p_to AND c.behalf_id IS NULL AND c.role IN ({staff_roles}) AND (
              (v.account_id = a.account AND v.role <> 'admin' AND c.agency_id = v.agency_id)
              OR (a.account NOT IN (v.account_id, p_to) AND kernel.governs(p_post, v.path))))
    THEN RETURN NULL; END IF;
    IF p_since < v_today OR p_until <= p_since OR p_until > p_since + 366 OR p_since < v.since OR p_until > v.until
       OR EXISTS (SELECT FROM public.post o WHERE o.behalf_id = p_lent AND o.until > o.since
                  AND o.since < p_until AND o.until > p_since)
    THEN RETURN NULL; END IF;
    INSERT INTO public.post (account_id, agency_id, role, place_id, since, until, behalf_id)
    VALUES (p_to, v.agency_id, v.role, v.place_id, p_since, p_until, p_lent) RETURNING id INTO v_id;
    INSERT INTO public.lending (post_id, note, salt, lent_by_id, lent_at) VALUES (v_id, p_note, p_salt, p_post, p_at);
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'lend_post', p_body);
    RETURN v_id;
END $$;

-- Take a delegation back, or give it back, before its last day; it ends at once.
CREATE FUNCTION kernel.end_lending(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_lent bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_today date := (now() AT TIME ZONE {zone})::date;
BEGIN
    UPDATE public.post t SET until = greatest(t.since, v_today)
      FROM public.post o, public.place l, kernel.reach(p_post) a
     WHERE t.id = p_lent AND o.id = t.behalf_id AND l.id = t.place_id AND t.until > greatest(t.since, v_today)
       AND (a.account IN (t.account_id, o.account_id) OR kernel.governs(p_post, l.path));
    IF NOT FOUND THEN RETURN NULL; END IF;
    UPDATE public.lending SET ended_at = p_at WHERE post_id = p_lent;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'end_lending', p_body);
    RETURN p_lent;
END $$;

-- The delegations of a person, lent and held, and for an administrator those of the own area; the newest first.
CREATE FUNCTION kernel.lendings(p_post bigint)
RETURNS TABLE (post bigint, lent bigint, lender bigint, lender_name text, delegate bigint, delegate_name text, agency text,
               role text, place text, since date, until date, note text, lent_by text, lent_at timestamptz,
               ended_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT t.id, o.id, h.id, h.name, c.id, c.name, g.short, t.role, l.name, t.since, t.until, d.note,
           kernel.named(b.account_id, b.id), d.lent_at, d.ended_at
    FROM kernel.reach(p_post) a, public.lending d JOIN public.post t ON t.id = d.post_id
    JOIN public.post o ON o.id = t.behalf_id JOIN public.account h ON h.id = o.account_id
    JOIN public.account c ON c.id = t.account_id JOIN public.agency g ON g.id = t.agency_id
    JOIN public.place l ON l.id = t.place_id JOIN public.post b ON b.id = d.lent_by_id
    WHERE a.account IN (h.id, c.id) OR kernel.governs(p_post, l.path)
    ORDER BY t.id DESC LIMIT 500
$$;

-- What a person's delegates did with the posts that they held for that person, the newest first; of records that the
-- person's post sees today.
CREATE FUNCTION kernel.done_for(p_post bigint, p_limit int)
RETURNS TABLE (record uuid, entry uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.id, e.id
    FROM kernel.reach(p_post) a, public.post o JOIN public.post t ON t.behalf_id = o.id
    JOIN public.entry e ON e.post_id = t.id JOIN public.register r ON r.id = e.record_id
    WHERE o.account_id = a.account
      AND kernel.allowed(r.service, r.place_path, r.agency_id, r.id, a.low, a.high, a.own, a.care, NULL) AND r.service <> 'directory'
    ORDER BY e.at DESC LIMIT p_limit
$$;

-- The second factor of an account whose password has been proven, or who asks for the own one: the sealed secret.
CREATE FUNCTION kernel.factor(p_account bigint) RETURNS TABLE (sealed bytea, proven boolean, left_over int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT f.sealed, f.proven_at IS NOT NULL,
           (SELECT count(*)::int FROM public.recovery_code c WHERE c.account_id = p_account AND c.used_at IS NULL)
    FROM public.second_factor f WHERE f.account_id = p_account AND f.sealed IS NOT NULL
$$;

-- Keep a secret that the person's phone has not proven yet.
CREATE FUNCTION kernel.begin_factor(p_post bigint, p_sealed bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO public.second_factor AS f (account_id, sealed) SELECT a.account, p_sealed FROM kernel.reach(p_post) a
    ON CONFLICT (account_id) DO UPDATE SET sealed = excluded.sealed, step = 0 WHERE f.proven_at IS NULL;
    RETURN FOUND;
END $$;

CREATE FUNCTION kernel.renew_recovery(p_account bigint, p_hashes bytea[]) RETURNS void
LANGUAGE sql AS $$
    UPDATE public.recovery_code SET used_at = now() WHERE account_id = p_account AND used_at IS NULL;
    INSERT INTO public.recovery_code (account_id, hash) SELECT p_account, h FROM unnest(p_hashes) h;
$$;

-- The phone has shown a code: from now on signing in asks for one.
CREATE FUNCTION kernel.prove_factor(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_step bigint,
                                    p_hashes bytea[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_account bigint;
BEGIN
    UPDATE public.second_factor f SET proven_at = p_at, step = p_step FROM kernel.reach(p_post) a
     WHERE f.account_id = a.account AND f.proven_at IS NULL AND f.sealed IS NOT NULL RETURNING f.account_id INTO v_account;
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM kernel.renew_recovery(v_account, p_hashes);
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'prove_factor', p_body);
    RETURN v_account;
END $$;

CREATE FUNCTION kernel.new_recovery(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_hashes bytea[])
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_account bigint;
BEGIN
    SELECT f.account_id INTO v_account FROM public.second_factor f JOIN kernel.reach(p_post) a ON a.account = f.account_id
     WHERE f.proven_at IS NOT NULL;
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM kernel.renew_recovery(v_account, p_hashes);
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'new_recovery', p_body);
    RETURN v_account;
END $$;

-- Take the code of a time step, once: of two tries with the same code one finds it taken (RFC 6238, 5.2).
CREATE FUNCTION kernel.take_step(p_account bigint, p_step bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.second_factor f SET step = p_step
     WHERE f.account_id = p_account AND f.proven_at IS NOT NULL AND f.step < p_step;
    RETURN FOUND;
END $$;

CREATE FUNCTION kernel.take_recovery(p_account bigint, p_hash bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.recovery_code c SET used_at = now()
     WHERE c.account_id = p_account AND c.hash = p_hash AND c.used_at IS NULL;
    RETURN FOUND;
END $$;

-- Take a second factor away: one's own, or as an administrator for a phone that is lost.
CREATE FUNCTION kernel.drop_factor(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_account bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.account = p_account)
       AND NOT kernel.governs_account(p_post, p_account) THEN RETURN NULL; END IF;
    UPDATE public.second_factor f SET sealed = NULL, proven_at = NULL, step = 0
     WHERE f.account_id = p_account AND f.proven_at IS NOT NULL;
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM kernel.renew_recovery(p_account, '{}');
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'drop_factor', p_body);
    RETURN p_account;
END $$;

-- Make a link that sets a password; those that were made before for the account end.
CREATE FUNCTION kernel.put_link(p_account bigint, p_hash bytea, p_minutes int) RETURNS bigint
LANGUAGE sql AS $$
    UPDATE public.password_link SET expires_at = now() WHERE account_id = p_account AND used_at IS NULL AND expires_at > now();
    INSERT INTO public.password_link (account_id, hash, expires_at)
    VALUES (p_account, p_hash, now() + make_interval(mins => p_minutes)) RETURNING id;
$$;

CREATE FUNCTION kernel.make_link(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_account bigint,
                                 p_hash bytea, p_minutes int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id bigint;
BEGIN
    IF NOT kernel.governs_account(p_post, p_account)
       OR NOT EXISTS (SELECT FROM public.account c WHERE c.id = p_account AND c.active) THEN RETURN NULL; END IF;
    v_id := kernel.put_link(p_account, p_hash, p_minutes);
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'make_link', p_body);
    RETURN v_id;
END $$;

-- The same for a person who asks for it without being signed in; the link goes to the account's own address and nowhere
-- else. Answers the account, or nothing.
CREATE FUNCTION kernel.ask_link(p_login text, p_hash bytea, p_minutes int) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_account bigint;
BEGIN
    SELECT c.id INTO v_account FROM public.account c WHERE c.login = p_login AND c.active
       AND EXISTS (SELECT FROM public.post t CROSS JOIN kernel.reach(t.id) a WHERE t.account_id = c.id
                   AND a.role IN ({staff_roles}));
    IF FOUND THEN PERFORM kernel.put_link(v_account, p_hash, p_minutes); END IF;
    RETURN v_account;
END $$;

CREATE FUNCTION kernel.open_link(p_hash bytea) RETURNS TABLE (account bigint, login text, name text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT c.id, c.login, c.name FROM public.password_link k JOIN public.account c ON c.id = k.account_id AND c.active
    WHERE k.hash = p_hash AND k.used_at IS NULL AND k.expires_at > now()
$$;

-- Set the password that the holder of a link has chosen. The portal's post does it: nobody is signed in.
CREATE FUNCTION kernel.use_link(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_hash bytea, p_password text)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_account bigint;
BEGIN
    IF (SELECT a.role FROM kernel.reach(p_post) a) IS DISTINCT FROM 'portal' THEN RETURN NULL; END IF;
    UPDATE public.password_link k SET used_at = now() FROM public.account c
     WHERE k.hash = p_hash AND k.used_at IS NULL AND k.expires_at > now() AND c.id = k.account_id AND c.active
    RETURNING k.account_id INTO v_account;
    IF NOT FOUND THEN RETURN NULL; END IF;
    UPDATE public.account c SET password = p_password, epoch = c.epoch + 1 WHERE c.id = v_account;
    UPDATE public.password_link SET expires_at = now() WHERE account_id = v_account AND used_at IS NULL AND expires_at > now();
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'use_link', p_body);
    RETURN v_account;
END $$;

-- Link a person of an identity provider with an account: an administrator of the account does it, and nobody else.
CREATE FUNCTION kernel.link_identity(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_account bigint,
                                     p_issuer text, p_subject text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id bigint;
BEGIN
    IF NOT kernel.governs_account(p_post, p_account) THEN RETURN NULL; END IF;
    INSERT INTO public.outside_identity AS o (account_id, issuer, subject)
    SELECT c.id, p_issuer, p_subject FROM public.account c WHERE c.id = p_account AND c.active
    ON CONFLICT (issuer, subject) DO UPDATE SET account_id = excluded.account_id, linked_at = now()
     WHERE o.account_id IS NULL
    RETURNING id INTO v_id;
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'link_identity', p_body);
    RETURN v_id;
END $$;

CREATE FUNCTION kernel.unlink_identity(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_identity bigint)
RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE public.outside_identity o SET account_id = NULL
     WHERE o.id = p_identity AND o.account_id IS NOT NULL AND kernel.governs_account(p_post, o.account_id);
    IF NOT FOUND THEN RETURN NULL; END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'unlink_identity', p_body);
    RETURN p_identity;
END $$;

-- The account of a person whom a provider has just vouched for.
CREATE FUNCTION kernel.identity(p_issuer text, p_subject text) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT o.account_id FROM public.outside_identity o JOIN public.account c ON c.id = o.account_id AND c.active
    WHERE o.issuer = p_issuer AND o.subject = p_subject
$$;

-- The identities of an account: for itself, and for its administrators.
CREATE FUNCTION kernel.identities(p_post bigint, p_account bigint)
RETURNS TABLE (id bigint, issuer text, subject text, linked_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT o.id, o.issuer, o.subject, o.linked_at FROM public.outside_identity o
    WHERE o.account_id = p_account AND (kernel.governs_account(p_post, p_account)
          OR EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.account = p_account))
$$;
