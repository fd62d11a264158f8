-- Who sees what. One rule, one place: the row policies, the generated functions and the search all call kernel.allowed().

-- A record is seen if, and only if,
--   its place lies in the post's area, or
--   the post's agency owes it, or
--   it is the record whose follow-up code was proven;
-- and, where its service is one of care, the post is of the service's team, or the follow-up code was proven.
CREATE FUNCTION kernel.allowed(
    p_service text, p_path text, p_agency bigint, p_record uuid, p_low text, p_high text, p_own bigint, p_care text[],
    p_proven uuid
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ((p_path >= p_low AND p_path < p_high) OR p_agency = p_own OR p_record = p_proven){care_allowed}
$$;

-- The rule as the functions of the release before call it. They know no teams: of care they see what a follow-up code proves.
CREATE FUNCTION kernel.allowed(
    p_path text, p_agency bigint, p_record uuid, p_low text, p_high text, p_own bigint, p_proven uuid
) RETURNS boolean LANGUAGE sql {care_before_is} PARALLEL SAFE AS $$
    SELECT ((p_path >= p_low AND p_path < p_high) OR p_agency = p_own OR p_record = p_proven){care_before}
$$;

-- The same rule with the settings of the transaction. A sub-select around current_setting() would hide its value from
-- the planner and cost seconds on a large register. The agency comes first because an agency's queue is tested row by row,
-- and there the first test is enough. Unset means: nothing is seen.
CREATE FUNCTION kernel.sees(p_path text, p_agency bigint, p_record uuid)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p_agency = nullif(current_setting('gz.agency', true), '')::bigint
        OR (p_path >= current_setting('gz.low', true) AND p_path < current_setting('gz.high', true))
        OR p_record = nullif(current_setting('gz.follow', true), '')::uuid
$$;

-- The second half of the rule, for the restrictive policy: records of care are for the service's own team, whatever else a
-- post sees. Without a service of care there is no such policy.
CREATE FUNCTION kernel.cares(p_service text, p_record uuid)
RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT p_service <> ALL ({care})
        OR p_service = ANY (string_to_array(current_setting('gz.care', true), ' '))
        OR p_record = nullif(current_setting('gz.follow', true), '')::uuid
$$;

-- What a post reaches; no row where the post has not begun or has ended (by the city's day) or its account is closed, and
-- for a delegate's post none where the post it stands for has ended. `own` is null where the agency gives no right;
-- `care` are the services of care whose team the post is of (a delegate, of the teams that name the delegate's own post).
CREATE FUNCTION kernel.reach(p_post bigint)
RETURNS TABLE (account bigint, agency bigint, role text, low text, high text, own bigint, place bigint, care text[])
LANGUAGE sql STABLE AS $$
    SELECT p.account_id, p.agency_id, p.role::text,
           CASE WHEN p.role IN ({area_roles}) THEN l.path::text END,
           CASE WHEN p.role IN ({area_roles}) THEN l.path || '~' END,
           CASE WHEN p.role IN ({sighted_roles}) THEN p.agency_id END,
           p.place_id, {care_reach}
    FROM public.post p
    JOIN public.place l ON l.id = p.place_id
    JOIN public.account a ON a.id = p.account_id AND a.active
    CROSS JOIN LATERAL (SELECT (now() AT TIME ZONE {zone})::date AS today) d
    WHERE p.id = p_post AND p.since <= d.today AND (p.until IS NULL OR p.until > d.today)
      AND (p.behalf_id IS NULL OR EXISTS (
          SELECT FROM public.post o JOIN public.account h ON h.id = o.account_id AND h.active
          WHERE o.id = p.behalf_id AND o.since <= d.today AND (o.until IS NULL OR o.until > d.today)))
$$;

-- Who acted, for people to read: the person's name, and for a delegate, after a unit separator, the name of the person
-- for whom it was done (`kernel.context.named` writes it out in the reader's language).
CREATE FUNCTION kernel.named(p_account bigint, p_post bigint) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT c.name || coalesce((SELECT E'\x1f' || h.name FROM public.post t JOIN public.post o ON o.id = t.behalf_id
                               JOIN public.account h ON h.id = o.account_id WHERE t.id = p_post), '')
    FROM public.account c WHERE c.id = p_account
$$;

-- Begin to read as this post: the settings end with the transaction.
CREATE FUNCTION kernel.enter(p_post bigint)
RETURNS TABLE (account bigint, agency bigint, role text, low text, high text, own bigint, place bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.account, r.agency, r.role, r.low, r.high, r.own, r.place
    FROM kernel.reach(p_post) r,
         LATERAL (SELECT set_config('gz.post', p_post::text, true), set_config('gz.account', r.account::text, true),
                         set_config('gz.agency', coalesce(r.own::text, ''), true),
                         set_config('gz.low', coalesce(r.low, ''), true),
                         set_config('gz.high', coalesce(r.high, ''), true),
                         set_config('gz.follow', '', true){care_enter}) s
$$;

-- Begin to read as the person who holds a record's follow-up code; answers the record's id, or nothing.
CREATE FUNCTION kernel.enter_follow(p_number text, p_follow bytea) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT set_config('gz.follow', r.id::text, true)::uuid
    FROM public.register r WHERE r.number = p_number AND r.follow = p_follow
$$;
