-- Seals: leaf positions of entries, the full subtrees that matter, and signed checkpoints. Only the clock's post writes.

-- Take the next committed entries below the oldest running transaction, in the order of transactions, and write down their
-- positions. One sealer at a time: the second waits for the first and goes on behind it.
CREATE FUNCTION kernel.seal_entries(p_post bigint, p_limit int) RETURNS TABLE (pos bigint, hash bytea)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_size bigint;
    v_xid bigint;
    v_entry uuid;
BEGIN
    IF (SELECT role FROM kernel.reach(p_post)) IS DISTINCT FROM 'clock' THEN
        RAISE EXCEPTION 'only the clock seals' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('gongzhi seal', 0));
    SELECT coalesce(max(l.pos) + 1, 0) INTO v_size FROM public.leaf l;
    SELECT o.xid, o.entry INTO v_xid, v_entry FROM public.outbox_position o WHERE o.reader = 'seals';
    RETURN QUERY
    WITH next AS MATERIALIZED (
        SELECT e.* FROM public.entry e
        WHERE (e.xid, e.id) > (coalesce(v_xid, '-9223372036854775808'::bigint),
                               coalesce(v_entry, '00000000-0000-0000-0000-000000000000'))
          AND e.xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
          AND NOT EXISTS (SELECT FROM public.leaf l WHERE l.entry_id = e.id)
        ORDER BY e.xid, e.id LIMIT p_limit
    ), placed AS (
        INSERT INTO public.leaf (pos, entry_id, hash)
        SELECT v_size - 1 + row_number() OVER (ORDER BY n.xid, n.id), n.id, sha256('\x00'::bytea || {leaf})
        FROM next n RETURNING leaf.pos, leaf.hash
    ), moved AS (
        INSERT INTO public.outbox_position AS o (reader, xid, entry)
        SELECT 'seals', n.xid, n.id FROM next n ORDER BY n.xid DESC, n.id DESC LIMIT 1
        ON CONFLICT (reader) DO UPDATE SET xid = excluded.xid, entry = excluded.entry
    )
    SELECT p.pos, p.hash FROM placed p ORDER BY p.pos;
END $$;

-- Write down the checkpoint over the leaves of this transaction, and the subtrees that they closed.
CREATE FUNCTION kernel.put_checkpoint(p_post bigint, p_size bigint, p_root bytea, p_at timestamptz, p_note text,
                                      p_levels smallint[], p_indexes bigint[], p_hashes bytea[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT role FROM kernel.reach(p_post)) IS DISTINCT FROM 'clock' THEN
        RAISE EXCEPTION 'only the clock seals' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF p_size <> (SELECT max(l.pos) + 1 FROM public.leaf l) THEN
        RAISE EXCEPTION 'a checkpoint covers all leaves' USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO public.subtree (level, index, hash) SELECT * FROM unnest(p_levels, p_indexes, p_hashes);
    INSERT INTO public.checkpoint (size, root, at, note) VALUES (p_size, p_root, p_at, p_note);
END $$;

-- Add a witness's signature line to a checkpoint.
CREATE FUNCTION kernel.put_cosignature(p_post bigint, p_size bigint, p_witness text, p_line text, p_at timestamptz)
RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (SELECT role FROM kernel.reach(p_post)) IS DISTINCT FROM 'clock' THEN
        RAISE EXCEPTION 'only the clock seals' USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO public.cosignature (size, witness, line, at) VALUES (p_size, p_witness, p_line, p_at)
    ON CONFLICT (size, witness) DO NOTHING;
    RETURN FOUND;
END $$;

-- Hashes of a run of subtrees of one level (0: the leaves), joined; fewer where the tree ends. At most 256.
CREATE FUNCTION kernel.tree_hashes(p_level int, p_first bigint, p_count int) RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(string_agg(t.hash, ''::bytea ORDER BY t.n), ''::bytea) FROM (
        SELECT l.pos AS n, l.hash FROM public.leaf l
        WHERE p_level = 0 AND l.pos >= p_first AND l.pos < p_first + least(p_count, 256)
        UNION ALL
        SELECT s.index, s.hash FROM public.subtree s
        WHERE s.level = p_level AND s.index >= p_first AND s.index < p_first + least(p_count, 256)) t
$$;
