using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Protocol;

/// <summary>The one query of the catalogs. It takes no lock on the table and needs no privilege on it.</summary>
internal static class TableCatalogSql
{
    // The merge's own name resolution: to_regclass finds what the quoted name in a statement finds, and ::name cuts as the parser does.
    //
    // An UPDATE locks its row as FOR UPDATE does if it changes a column that a foreign key could reference: one of a unique index without an
    // expression or a condition, valid or not. Generated columns count, and so does what the source of a BEFORE trigger assigns.
    // https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
    private const string Text =
        """
        WITH RECURSIVE
          target AS (
            SELECT oid, relkind FROM pg_catalog.pg_class WHERE oid = pg_catalog.to_regclass($1)),
          family AS (
            SELECT oid FROM target
            UNION
            SELECT h.inhrelid FROM family AS f JOIN pg_catalog.pg_inherits AS h ON h.inhparent = f.oid),
          named (role, name) AS (
            VALUES ('key', $2::name), ('owner', $3::name), ('env_vars', $4::name), ('updated_at', $5::name)),
          col AS (
            SELECT n.role, a.attnum, a.atttypid, a.attcollation, c.collisdeterministic, a.attgenerated <> '' AS is_generated,
                   pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared
            FROM target AS t
            CROSS JOIN named AS n
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attname = n.name AND NOT a.attisdropped
            LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation),
          base (role, type) AS (
            SELECT role, atttypid FROM col
            UNION ALL
            SELECT b.role, y.typbasetype FROM base AS b JOIN pg_catalog.pg_type AS y ON y.oid = b.type AND y.typtype = 'd'),
          unique_index AS (
            SELECT pg_catalog.bool_and(c.role IS NOT DISTINCT FROM 'key') AS of_key, pg_catalog.bool_and(c.role IS NOT NULL) AS of_both
            FROM target AS t
            JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisunique AND i.indisvalid AND i.indisready AND i.indpred IS NULL
            CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
            LEFT JOIN col AS c ON c.attnum = i.indkey[k.n] AND c.role IN ('key', 'owner')
              AND (c.collisdeterministic IS NOT FALSE OR i.indcollation[k.n] = c.attcollation)
            GROUP BY i.indexrelid),
          referable AS (
            SELECT a.attname, a.attgenerated, f.oid AS family
            FROM family AS f
            JOIN pg_catalog.pg_index AS i ON i.indrelid = f.oid AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
            CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = i.indkey[k.n])
        SELECT
          t.relkind::text,
          (SELECT pg_catalog.count(*) > 1 FROM family),
          c.role, c.declared, c.is_generated,
          CASE c.role
            WHEN 'key' THEN EXISTS (SELECT FROM base WHERE role = 'key' AND type IN
              ('uuid'::regtype, 'text'::regtype, 'varchar'::regtype, 'name'::regtype, 'int8'::regtype, 'int4'::regtype, 'int2'::regtype, 'numeric'::regtype))
            WHEN 'env_vars' THEN EXISTS (SELECT FROM base WHERE role = 'env_vars' AND type = 'jsonb'::regtype)
            WHEN 'updated_at' THEN EXISTS (SELECT FROM base WHERE role = 'updated_at' AND type = 'timestamptz'::regtype)
            ELSE true
          END,
          EXISTS (SELECT FROM unique_index WHERE of_key),
          EXISTS (SELECT FROM unique_index WHERE of_both),
          EXISTS (SELECT FROM referable AS r JOIN named AS n ON n.name = r.attname AND n.role IN ('env_vars', 'updated_at'))
            OR EXISTS (SELECT FROM referable WHERE attgenerated <> '')
            OR EXISTS (
              SELECT FROM referable AS r
              JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = r.family AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 19 = 19
              JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
              WHERE pg_catalog.lower(pg_catalog.regexp_replace(p.prosrc, '["[:space:]:]', '', 'g'))
                LIKE ANY (ARRAY['%new.' || pg_catalog.lower(r.attname) || '=%', '%intonew.' || pg_catalog.lower(r.attname) || '%'])),
          pg_catalog.current_setting('client_encoding'),
          pg_catalog.current_setting('client_min_messages') IN ('error', 'fatal', 'panic')
        FROM target AS t CROSS JOIN col AS c
        """;

    public static NpgsqlCommand Command(NpgsqlConnection connection, TargetTable table, TimeSpan limit)
    {
        var names = table.Unquoted;
        return new NpgsqlCommand(Text, connection)
        {
            CommandTimeout = (int)Math.Ceiling(limit.TotalSeconds),
            Parameters = { Name(table.Name), Name(names.Key), Name(names.Owner), Name(names.EnvVars), Name(names.UpdatedAt) },
        };
    }

    private static NpgsqlParameter<string?> Name(string? name) => new() { TypedValue = name, NpgsqlDbType = NpgsqlDbType.Text };
}
