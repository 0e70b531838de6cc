using Npgsql;
using NpgsqlTypes;
using StackEnv.Merge.Text;

namespace StackEnv.Merge.Protocol;

/// <summary>The one query of the catalogs. It takes no lock on the table and needs no privilege on it.</summary>
internal static class TableCatalogSql
{
    // Citus marks its distributed tables with a trigger, and does not plan an UPDATE that reads the text of an enum.
    //
    // to_regclass finds what the quoted name in a statement finds, and ::name cuts a name as the parser does.
    //
    // An UPDATE locks its row as FOR UPDATE does if it changes a column that a foreign key could reference: one of a unique index without
    // an expression or a condition, valid or not. Columns generated from what a merge writes count, and so do those that a BEFORE trigger
    // assigns, as far as its source shows it.
    // https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
    private const string Text =
        """
        WITH RECURSIVE
          target AS (
            SELECT c.oid, c.relkind, EXISTS (
              SELECT FROM pg_catalog.pg_trigger AS g JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
              WHERE g.tgrelid = c.oid AND p.proname = 'citus_truncate_trigger') AS is_distributed
            FROM pg_catalog.pg_class AS c WHERE c.oid = pg_catalog.to_regclass($1)),
          family AS (
            SELECT oid FROM target
            UNION
            SELECT h.inhrelid FROM family AS f JOIN pg_catalog.pg_inherits AS h ON h.inhparent = f.oid),
          named (role, name) AS (
            VALUES ('key', $2::name), ('owner', $3::name), ('status', $4::name), ('env_vars', $5::name), ('updated_at', $6::name),
              ('version', $8::name)),
          col AS (
            SELECT n.role, a.attnum, a.atttypid, a.attcollation, c.collisdeterministic,
                   CASE a.attidentity WHEN 'a' THEN 'a' ELSE a.attgenerated::text END AS generated,
                   pg_catalog.format_type(a.atttypid, a.atttypmod) AS declared
            FROM target AS t
            CROSS JOIN named AS n
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = t.oid AND a.attname = n.name AND NOT a.attisdropped
            LEFT JOIN pg_catalog.pg_collation AS c ON c.oid = a.attcollation),
          base (role, type) AS (
            SELECT role, atttypid FROM col
            UNION ALL
            SELECT b.role, y.typbasetype FROM base AS b JOIN pg_catalog.pg_type AS y ON y.oid = b.type AND y.typtype = 'd'),
          fit (role, is_fit) AS (
            SELECT b.role, CASE b.role
              WHEN 'key' THEN b.type IN (
                'uuid'::regtype, 'text'::regtype, 'varchar'::regtype, 'name'::regtype,
                'int8'::regtype, 'int4'::regtype, 'int2'::regtype, 'numeric'::regtype)
              WHEN 'status' THEN CASE y.typcategory
                WHEN 'E' THEN NOT (SELECT is_distributed FROM target) AND EXISTS (
                  SELECT FROM pg_catalog.pg_enum WHERE enumtypid = b.type AND enumlabel::text = ANY ($7::text[]))
                WHEN 'N' THEN EXISTS (SELECT FROM pg_catalog.unnest($7::text[]) AS s (status) WHERE status ~ '^-?[0-9.]+$')
                WHEN 'B' THEN EXISTS (SELECT FROM pg_catalog.unnest($7::text[]) AS s (status) WHERE status IN ('true', 'false'))
                ELSE true END
              WHEN 'env_vars' THEN b.type = 'jsonb'::regtype
              WHEN 'updated_at' THEN b.type = 'timestamptz'::regtype
              WHEN 'version' THEN b.type = 'int8'::regtype
              ELSE true END
            FROM base AS b JOIN pg_catalog.pg_type AS y ON y.oid = b.type AND y.typtype <> 'd'),
          unique_index AS (
            SELECT pg_catalog.bool_and(c.role IS NOT DISTINCT FROM 'key') AS of_key, pg_catalog.bool_and(c.role IS NOT NULL) AS of_both
            FROM target AS t
            JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid AND i.indisvalid AND i.indisready AND i.indpred IS NULL
              AND (i.indisunique OR EXISTS (
                SELECT FROM pg_catalog.pg_constraint AS x
                WHERE x.conrelid = t.oid AND x.conindid = i.indexrelid AND x.contype = 'x' AND NOT EXISTS (
                  SELECT FROM pg_catalog.pg_operator AS o WHERE o.oid = ANY (x.conexclop) AND o.oprname <> '=')))
            CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
            LEFT JOIN col AS c ON c.attnum = i.indkey[k.n] AND c.role IN ('key', 'owner')
              AND (c.collisdeterministic IS NOT FALSE OR i.indcollation[k.n] = c.attcollation)
            GROUP BY i.indexrelid),
          written AS (
            SELECT a.attrelid, a.attnum
            FROM family AS f
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.oid AND NOT a.attisdropped
            JOIN named AS n ON n.name = a.attname AND n.role IN ('env_vars', 'updated_at', 'version')),
          generated AS (
            SELECT g.attrelid, g.attnum
            FROM written AS w
            JOIN pg_catalog.pg_attribute AS g ON g.attrelid = w.attrelid AND g.attgenerated <> ''
            LEFT JOIN pg_catalog.pg_attrdef AS e ON e.adrelid = g.attrelid AND e.adnum = g.attnum
            JOIN pg_catalog.pg_depend AS d
              ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = w.attrelid AND d.refobjsubid = w.attnum
              AND (d.objid = e.oid OR (d.objid = g.attrelid AND d.objsubid = g.attnum))),
          referable AS (
            SELECT a.attrelid, a.attnum, pg_catalog.lower(a.attname) AS name
            FROM family AS f
            JOIN pg_catalog.pg_index AS i ON i.indrelid = f.oid AND i.indisunique AND i.indexprs IS NULL AND i.indpred IS NULL
            CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (n)
            JOIN pg_catalog.pg_attribute AS a ON a.attrelid = f.oid AND a.attnum = i.indkey[k.n]),
          before_trigger AS (
            SELECT g.tgrelid, l.lanname = 'plpgsql' AS is_plpgsql,
                   pg_catalog.lower(
                     pg_catalog.regexp_replace(p.prosrc || pg_catalog.encode(g.tgargs, 'escape'), '["[:space:]:]', '', 'g')) AS source
            FROM family AS f
            JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = f.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 19 = 19
            JOIN pg_catalog.pg_proc AS p ON p.oid = g.tgfoid
            JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang)
        SELECT
          t.relkind::text,
          (SELECT pg_catalog.count(*) > 1 FROM family),
          EXISTS (SELECT FROM unique_index WHERE of_key),
          EXISTS (SELECT FROM unique_index WHERE of_both),
          EXISTS (SELECT FROM referable JOIN (SELECT * FROM written UNION SELECT * FROM generated) AS w USING (attrelid, attnum))
            OR EXISTS (
              SELECT FROM referable AS r JOIN before_trigger AS g ON g.tgrelid = r.attrelid
              WHERE CASE WHEN g.is_plpgsql
                THEN g.source LIKE ANY (ARRAY['%new.' || r.name || '=%', '%new=%', '%intonew%'])
                ELSE g.source LIKE '%' || r.name || '%' AND r.attnum NOT IN (SELECT attnum FROM col WHERE role IN ('key', 'owner')) END),
          pg_catalog.current_setting('client_encoding'),
          pg_catalog.current_setting('client_min_messages') IN ('error', 'fatal', 'panic'),
          c.role, c.declared, c.generated, fit.is_fit, t.is_distributed
        FROM target AS t CROSS JOIN col AS c JOIN fit USING (role)
        """;

    public static NpgsqlCommand Command(NpgsqlConnection connection, MergeSettings settings)
    {
        var names = settings.Table.Unquoted;
        return new NpgsqlCommand(Text, connection)
        {
            CommandTimeout = (int)Math.Ceiling(settings.Limits.Batch.TotalSeconds),
            Parameters =
            {
                Name(settings.Table.Name),
                Name(names.Key),
                Name(names.Owner),
                Name(names.Status),
                Name(names.EnvVars),
                Name(names.UpdatedAt),

                // As text, because a slim data source does not support arrays.
                new NpgsqlParameter<string>
                {
                    TypedValue = PostgresText.Array(settings.DeletingStatuses),
                    NpgsqlDbType = NpgsqlDbType.Unknown,
                },
                Name(names.Version),
            },
        };
    }

    private static NpgsqlParameter<string?> Name(string? name) => new() { TypedValue = name, NpgsqlDbType = NpgsqlDbType.Text };
}
