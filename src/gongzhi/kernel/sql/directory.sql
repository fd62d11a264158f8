-- Changes of places, agencies, accounts and posts. Each is written down in the directory's own chain of entries.

-- The line itself; only the functions that change the directory call it, after they have tested the right. It reads the
-- post and not its reach, so that an administrator who ends the own post leaves a line too.
CREATE FUNCTION kernel.chronicle(p_post bigint, p_entry uuid, p_at timestamptz, p_action text, p_body text)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    UPDATE public.register g
       SET entries = g.entries + 1, version = g.version + 1, head = sha256(g.head || convert_to(p_body, 'UTF8'))
     WHERE g.service = 'directory' RETURNING g.id, g.version, g.entries, g.head INTO STRICT r;
    INSERT INTO public.entry (id, record_id, seq, at, post_id, account_id, agency_id, action, stage_from, stage_to,
                              version, alg, body, hash)
    SELECT p_entry, r.id, r.entries, p_at, p_post, t.account_id, t.agency_id, p_action, '', '', r.version, 'sha256', p_body,
           r.head
    FROM public.post t WHERE t.id = p_post;
END $$;

-- Whether the post may change what lies at this path: an administrator, within the post's own area.
CREATE FUNCTION kernel.governs(p_post bigint, p_path text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT a.role = 'admin' AND p_path >= a.low AND p_path < a.high FROM kernel.reach(p_post) a), false)
$$;

-- Whether the post may change this account: an administrator in whose area every post of the account lies.
CREATE FUNCTION kernel.governs_account(p_post bigint, p_account bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.role = 'admin') AND NOT EXISTS (
        SELECT FROM public.post t JOIN public.place l ON l.id = t.place_id
        WHERE t.account_id = p_account AND NOT kernel.governs(p_post, l.path))
$$;

CREATE FUNCTION kernel.rename_place(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_place bigint,
                                    p_name text, p_code text, p_since date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT kernel.governs(p_post, (SELECT l.path FROM public.place l WHERE l.id = p_place)) THEN RETURN false; END IF;
    UPDATE public.place_name n SET until = p_since WHERE n.place_id = p_place AND n.until IS NULL;
    INSERT INTO public.place_name (place_id, name, code, since) VALUES (p_place, p_name, p_code, p_since);
    UPDATE public.place l SET name = p_name, code = p_code WHERE l.id = p_place;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'rename_place', p_body);
    RETURN true;
END $$;

-- The subtree gets a new path; the records in it follow, and with them who sees them.
CREATE FUNCTION kernel.move_place(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_place bigint,
                                  p_parent bigint, p_path text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_old text;
    v_new text;
BEGIN
    SELECT path INTO v_old FROM public.place WHERE id = p_place FOR UPDATE;
    SELECT path INTO v_new FROM public.place WHERE id = p_parent;
    IF NOT kernel.governs(p_post, v_old) OR NOT kernel.governs(p_post, v_new) OR starts_with(v_new, v_old)
       OR NOT starts_with(p_path, v_new) OR length(p_path) <> length(v_new) + 2 OR length(v_old) <> length(p_path)
    THEN RETURN false; END IF;
    UPDATE public.register r SET place_path = p_path || substr(r.place_path, length(v_old) + 1)
     WHERE r.place_path >= v_old AND r.place_path < v_old || '~';
    UPDATE public.place l SET path = p_path || substr(l.path, length(v_old) + 1)
     WHERE l.path >= v_old AND l.path < v_old || '~';
    UPDATE public.place l SET parent_id = p_parent WHERE l.id = p_place;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'move_place', p_body);
    RETURN true;
END $$;

-- The ended place's records, posts and agencies go to the one that takes it in; its name and children stay traceable.
CREATE FUNCTION kernel.end_place(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_place bigint,
                                 p_into bigint, p_on date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_old text;
    v_new text;
BEGIN
    SELECT path INTO v_old FROM public.place WHERE id = p_place AND ended_on IS NULL FOR UPDATE;
    SELECT path INTO v_new FROM public.place WHERE id = p_into AND ended_on IS NULL;
    IF v_old IS NULL OR v_new IS NULL OR v_old = v_new OR NOT kernel.governs(p_post, v_old)
       OR NOT kernel.governs(p_post, v_new) THEN RETURN false; END IF;
    IF EXISTS (SELECT FROM public.place c WHERE c.parent_id = p_place AND c.ended_on IS NULL) THEN RETURN false; END IF;
    UPDATE public.register r SET place_id = p_into, place_path = v_new WHERE r.place_id = p_place;
    UPDATE public.post t SET place_id = p_into WHERE t.place_id = p_place;
    UPDATE public.agency g SET place_id = p_into WHERE g.place_id = p_place;
    UPDATE public.place_name n SET until = p_on WHERE n.place_id = p_place AND n.until IS NULL;
    INSERT INTO public.place_name (place_id, name, code, since, until)
    SELECT p_into, n.name, n.code, n.since, n.until FROM public.place_name n WHERE n.place_id = p_place;
    UPDATE public.place l SET ended_on = p_on WHERE l.id = p_place;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'merge_places', p_body);
    RETURN true;
END $$;

CREATE FUNCTION kernel.add_place(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_parent bigint, p_path text,
                                 p_level text, p_name text, p_code text, p_since date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_parent text;
    v_id bigint;
BEGIN
    SELECT path INTO v_parent FROM public.place WHERE id = p_parent AND ended_on IS NULL;
    IF NOT kernel.governs(p_post, v_parent) OR NOT starts_with(p_path, v_parent)
       OR length(p_path) <> length(v_parent) + 2 THEN RETURN NULL; END IF;
    INSERT INTO public.place (parent_id, path, level, name, code) VALUES (p_parent, p_path, p_level, p_name, p_code)
    RETURNING id INTO v_id;
    INSERT INTO public.place_name (place_id, name, code, since) VALUES (v_id, p_name, p_code, p_since);
    PERFORM kernel.chronicle(p_post, p_entry, p_at, 'add_place', p_body);
    RETURN v_id;
END $$;

CREATE FUNCTION kernel.put_agency(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_agency bigint, p_code text,
                                  p_title text, p_short text, p_kind text, p_place bigint, p_ended date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id bigint := p_agency;
BEGIN
    IF NOT kernel.governs(p_post, (SELECT l.path FROM public.place l WHERE l.id = p_place)) THEN RETURN NULL; END IF;
    IF p_agency IS NULL THEN
        INSERT INTO public.agency (code, title, short, kind, place_id) VALUES (p_code, p_title, p_short, p_kind, p_place)
        RETURNING id INTO v_id;
    ELSE
        UPDATE public.agency g SET title = p_title, short = p_short, kind = p_kind, place_id = p_place, ended_on = p_ended
         WHERE g.id = p_agency
           AND kernel.governs(p_post, (SELECT l.path FROM public.place l WHERE l.id = g.place_id))
        RETURNING g.id INTO v_id;
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, CASE WHEN p_agency IS NULL THEN 'add_agency' ELSE 'change_agency' END,
                             p_body);
    RETURN v_id;
END $$;

CREATE FUNCTION kernel.put_account(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_account bigint,
                                   p_login text, p_name text, p_active boolean, p_password text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id bigint := p_account;
BEGIN
    IF p_account IS NULL THEN
        IF NOT EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.role = 'admin') THEN RETURN NULL; END IF;
        INSERT INTO public.account (login, name, active, password) VALUES (p_login, p_name, true, p_password)
        RETURNING id INTO v_id;
    ELSE
        -- An administrator changes accounts whose every post lies within the own area; everyone changes the own password.
        UPDATE public.account c
           SET active = coalesce(p_active, c.active), password = coalesce(p_password, c.password),
               name = coalesce(p_name, c.name),
               epoch = c.epoch + CASE WHEN p_password IS NOT NULL OR p_active = false THEN 1 ELSE 0 END
         WHERE c.id = p_account AND (
               (c.id = (SELECT a.account FROM kernel.reach(p_post) a) AND p_active IS NULL AND p_name IS NULL)
               OR kernel.governs_account(p_post, c.id))
        RETURNING c.id INTO v_id;
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, CASE WHEN p_account IS NULL THEN 'add_account' ELSE 'change_account' END,
                             p_body);
    RETURN v_id;
END $$;

CREATE FUNCTION kernel.put_post(p_post bigint, p_entry uuid, p_at timestamptz, p_body text, p_id bigint, p_account bigint,
                                p_agency bigint, p_role text, p_place bigint, p_since date, p_until date) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_id bigint := p_id;
BEGIN
    IF p_id IS NULL THEN
        IF NOT kernel.governs(p_post, (SELECT l.path FROM public.place l WHERE l.id = p_place)) THEN RETURN NULL; END IF;
        -- A form that is sent twice makes one post: the account's row makes the second wait for the first.
        PERFORM FROM public.account c WHERE c.id = p_account FOR UPDATE;
        IF EXISTS (SELECT FROM public.post t
                    WHERE t.account_id = p_account AND t.agency_id = p_agency AND t.role = p_role AND t.place_id = p_place
                      AND t.behalf_id IS NULL AND (t.until IS NULL OR t.until > p_since)
                      AND (p_until IS NULL OR t.since < p_until)) THEN
            RAISE unique_violation USING CONSTRAINT = 'post_held';
        END IF;
        INSERT INTO public.post (account_id, agency_id, role, place_id, since, until)
        VALUES (p_account, p_agency, p_role, p_place, p_since, p_until) RETURNING id INTO v_id;
    ELSE
        UPDATE public.post t SET until = p_until
         WHERE t.id = p_id AND kernel.governs(p_post, (SELECT l.path FROM public.place l WHERE l.id = t.place_id))
        RETURNING t.id INTO v_id;
        IF NOT FOUND THEN RETURN NULL; END IF;
    END IF;
    PERFORM kernel.chronicle(p_post, p_entry, p_at, CASE WHEN p_id IS NULL THEN 'add_post' ELSE 'end_post' END, p_body);
    RETURN v_id;
END $$;

-- The directory's own history, for its administrators; that somebody searched a person changes nothing in it.
CREATE FUNCTION kernel.directory_log(p_post bigint, p_limit int)
RETURNS TABLE (at timestamptz, who text, agency text, action text, body text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.at, kernel.named(e.account_id, e.post_id), g.short, e.action, e.body
    FROM public.register r JOIN public.entry e ON e.record_id = r.id
    JOIN public.agency g ON g.id = e.agency_id
    WHERE r.service = 'directory' AND e.action <> 'seek_person'
      AND EXISTS (SELECT FROM kernel.reach(p_post) a WHERE a.role = 'admin')
    ORDER BY e.seq DESC LIMIT p_limit
$$;
