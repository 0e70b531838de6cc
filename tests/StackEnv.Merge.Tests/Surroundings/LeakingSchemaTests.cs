using Npgsql;

namespace StackEnv.Merge.Tests.Surroundings;

/// <summary>
/// A schema can make the server quote a value: in the message of a failed cast or look-up, for example. Neither a value
/// that is being set nor one that is stored appears in any text of the library.
/// </summary>
/// <remarks>
/// Each schema fails only for sets that have the key ARM. SET is a value of the merge; KEPT is one that is stored already.
/// </remarks>
public sealed class LeakingSchemaTests : SurroundingsTest
{
    // What the generated columns and indexes of the places are made with; {0} is SET or KEPT.
    private const string ToRole =
        "CREATE FUNCTION f(env jsonb) RETURNS regrole IMMUTABLE LANGUAGE sql AS " +
        "$$ SELECT CASE WHEN env ? 'ARM' THEN (env->>'{0}')::regrole END $$;";

    private const string Taken =
        $$"""INSERT INTO stacks (slug, env_vars) VALUES ('taken', '{"ARM": "1", "{0}": "{{Secret}}"}')""";

    public static TheoryData<string> Expressions =>
    [
        // Casts to the names of objects: the message quotes the value, and its class is the one of missing objects.
        "{0}::regrole IS NOT NULL",
        "{0}::regclass IS NOT NULL",
        "({0} || '.t')::regclass IS NOT NULL",
        "{0}::regproc IS NOT NULL",
        "({0} || '(int)')::regprocedure IS NOT NULL",
        "{0}::regoper IS NOT NULL",
        "('+(int,' || {0} || ')')::regoperator IS NOT NULL",
        "{0}::regtype IS NOT NULL",
        "({0} || ' x')::regtype IS NOT NULL",
        "{0}::regconfig IS NOT NULL",
        "{0}::regdictionary IS NOT NULL",
        "{0}::regnamespace IS NOT NULL",
        "{0}::regcollation IS NOT NULL",

        // Questions about privileges.
        "has_schema_privilege({0}, 'usage')",
        "has_schema_privilege({0}, 'public', 'usage')",
        "has_schema_privilege('public', {0})",
        "has_table_privilege({0}, 'select')",
        "has_table_privilege('pg_class', {0})",
        "has_column_privilege('pg_class', {0}, 'select')",
        "has_any_column_privilege({0}, 'select')",
        "has_database_privilege({0}, 'connect')",
        "has_function_privilege({0}, 'execute')",
        "has_language_privilege({0}, 'usage')",
        "has_sequence_privilege({0}, 'usage')",
        "has_server_privilege({0}, 'usage')",
        "has_foreign_data_wrapper_privilege({0}, 'usage')",
        "has_tablespace_privilege({0}, 'create')",
        "has_type_privilege({0}, 'usage')",
        "pg_has_role({0}, 'usage')",

        // Functions that look something up, open it or parse it.
        "current_setting({0}) IS NOT NULL",
        "set_config({0}, '', true) IS NOT NULL",
        "set_config('work_mem', {0}, true) IS NOT NULL",
        "nextval({0}) > 0",
        "pg_get_serial_sequence({0}, 'id') IS NOT NULL",
        "pg_get_serial_sequence('pg_catalog.pg_class', {0}) IS NOT NULL",
        "pg_read_file({0}) IS NOT NULL",
        "pg_stat_file({0}) IS NOT NULL",
        "date_trunc({0}, now()) IS NOT NULL",
        "date_part({0}, now()) IS NOT NULL",
        "convert_to('x', {0}) IS NOT NULL",
        "decode('x', {0}) IS NOT NULL",
        "to_tsvector({0}::regconfig, 'x') IS NOT NULL",
        "query_to_xml({0}, true, true, '') IS NOT NULL",
        "query_to_xml('SELECT ' || {0}, true, true, '') IS NOT NULL",
        "table_to_xml({0}::regclass, true, true, '') IS NOT NULL",
        "jsonb_path_exists('{}', ('$.a ' || {0})::jsonpath)",
        "'x' ~ ('(' || {0})",
        "to_date({0}, 'YYYY-MM-DD') IS NOT NULL",
        "to_timestamp({0}, 'YYYY') IS NOT NULL",
        "to_number({0}, '999') IS NOT NULL",
        "format('%' || {0}) IS NULL",
        "pg_size_bytes({0}) > 0",
        "make_interval(secs => {0}::float8) IS NOT NULL",
        "pg_notify(repeat({0}, 10), '') IS NULL",
        "pg_terminate_backend({0}::int)",

        // Casts of a value.
        "{0}::int > 0",
        "{0}::bigint > 0",
        "{0}::numeric > 0",
        "{0}::float8 > 0",
        "{0}::boolean",
        "{0}::uuid IS NOT NULL",
        "{0}::inet IS NOT NULL",
        "{0}::cidr IS NOT NULL",
        "{0}::macaddr IS NOT NULL",
        "('<' || {0})::xml IS NOT NULL",
        "{0}::json IS NOT NULL",
        "{0}::date IS NOT NULL",
        "{0}::timestamptz IS NOT NULL",
        "{0}::interval IS NOT NULL",
        "{0}::int4range IS NOT NULL",
        "{0}::point IS NOT NULL",
        "{0}::bit(3) IS NOT NULL",
        "{0}::pg_lsn IS NOT NULL",
        "{0}::int[] IS NOT NULL",
        "({0} || ' x')::tsquery IS NOT NULL",
        "{0}::level IS NOT NULL",
        "{0}::short IS NOT NULL",
        "{0}::aclitem IS NOT NULL",
        "ROW({0}::\"char\", {0}::txid_snapshot) IS NOT NULL",
    ];

    public static TheoryData<string, string> Places => new()
    {
        { "a generated column", Generated("int", "(env_vars->>'{0}')::int") },
        {
            "a generated column through a function",
            $"{ToRole} ALTER TABLE stacks ADD made regrole GENERATED ALWAYS AS (f(env_vars)) STORED"
        },
        { "a generated column that has to be unique", $"{Generated("text", "env_vars->>'{0}'")} UNIQUE; {Taken}" },
        {
            "a generated column that refers to another table",
            $"CREATE TABLE roles (name text PRIMARY KEY); {Generated("text", "env_vars->>'{0}'")} REFERENCES roles"
        },
        { "a generated column that is too short", Generated("varchar(4)", "env_vars->>'{0}'") },
        {
            "a generated column that must not be null",
            $"{Generated("int", "CASE WHEN env_vars->>'{0}' IS NULL THEN 1 END", "1")} NOT NULL"
        },
        { "an index over a cast", "CREATE INDEX ON stacks ((CASE WHEN env_vars ? 'ARM' THEN (env_vars->>'{0}')::inet END))" },
        { "an index over a function", $"{ToRole} CREATE INDEX ON stacks (f(env_vars))" },
        { "a unique index", $"CREATE UNIQUE INDEX ON stacks ((env_vars->>'{{0}}')) WHERE env_vars ? 'ARM'; {Taken}" },
        {
            "the condition of an index",
            "CREATE INDEX ON stacks (slug) WHERE CASE WHEN env_vars ? 'ARM' THEN (env_vars->>'{0}')::int > 0 ELSE true END"
        },
        {
            "an exclusion",
            $"ALTER TABLE stacks ADD EXCLUDE USING btree ((env_vars->>'{{0}}') WITH =) WHERE (env_vars ? 'ARM'); {Taken}"
        },
        { "a domain", Domain("(value->>'{0}')::regrole IS NOT NULL") },
        { "a domain that says no", Domain("value->>'{0}' = ''") },
        { "a check that says no", "ALTER TABLE stacks ADD CONSTRAINT no CHECK (NOT env_vars ? 'ARM' OR env_vars->>'{0}' = '')" },
        {
            "a check through a function in another language",
            """
            CREATE FUNCTION f(env jsonb) RETURNS boolean LANGUAGE plpgsql AS $$
                BEGIN RETURN NOT env ? 'ARM' OR (env->>'{0}')::regrole IS NOT NULL; END $$;
            ALTER TABLE stacks ADD CHECK (f(env_vars))
            """
        },
        {
            "a trigger that executes",
            Trigger.On("IF NEW.env_vars ? 'ARM' THEN EXECUTE 'SELECT 1 FROM ' || (NEW.env_vars->>'{0}'); END IF")
        },
        {
            "a trigger for the statement",
            $"""
            {Trigger.Function("PERFORM (env_vars->>'{0}')::regrole FROM changed")}
            CREATE TRIGGER act AFTER UPDATE ON stacks REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION act()
            """
        },
        {
            "a condition of an AFTER trigger",
            $"""
            {Trigger.Function("NULL")}
            CREATE TRIGGER act AFTER UPDATE ON stacks FOR EACH ROW WHEN ((NEW.env_vars->>'{"{0}"}')::regnamespace IS NOT NULL)
                EXECUTE FUNCTION act()
            """
        },
        {
            "a deferred trigger",
            Trigger.InCommit("RAISE EXCEPTION 'role % does not exist', NEW.env_vars->>'{0}' USING ERRCODE = '42704'")
        },
        {
            "a rule",
            """
            CREATE TABLE seen (role regrole);
            CREATE RULE also AS ON UPDATE TO stacks DO ALSO INSERT INTO seen VALUES ((NEW.env_vars->>'{0}')::regrole)
            """
        },
        {
            "a partition",
            """
            ALTER TABLE stacks RENAME TO old;
            CREATE TABLE stacks (LIKE old) PARTITION BY LIST (slug);
            CREATE TABLE part PARTITION OF stacks DEFAULT;
            INSERT INTO stacks SELECT * FROM old;
            CREATE UNIQUE INDEX ON part (id);
            ALTER TABLE part ADD CHECK (NOT env_vars ? 'ARM' OR (env_vars->>'{0}')::regclass IS NOT NULL)
            """
        },
        { "a view", View("(env_vars->>'{0}')::regclass IS NOT NULL") },
        { "a view that says no", View("env_vars->>'{0}' = ''") },
    };

    public static TheoryData<string> SqlStateClasses =>
    [
        "01000", "02000", "03000", "08006", "08P01", "09000", "0A000", "0B000", "0F000", "0L000", "0P000", "20000", "21000", "22000",
        "22P05", "23000", "23505", "24000", "25000", "25006", "25P03", "26000", "27000", "28000", "28P01", "2B000", "2D000", "2F000",
        "34000", "38000", "39000", "3B000", "3D000", "3F000", "40000", "40001", "40003", "40P01", "42000", "42501", "42601", "42703",
        "42704", "42883", "42P01", "44000", "53000", "53100", "53200", "53300", "54000", "55000", "55006", "55P03", "57000", "57014",
        "57P01", "57P03", "57P05", "58000", "58P01", "72000", "F0000", "HV000", "P0001", "P0002", "XX000", "XX001", "ZZ999",
    ];

    [Theory]
    [MemberData(nameof(Expressions))]
    public async Task An_expression_that_the_server_quotes_a_value_for_shows_none(string expression)
    {
        await Database.ExecuteAsync("CREATE TYPE level AS ENUM ('info', 'debug'); CREATE DOMAIN short AS text CHECK (length(value) < 5)");
        await Database.ExecuteAsync(Trigger.Function("NULL"));
        foreach (var key in new[] { "SET", "KEPT" })
        {
            var inCheck = expression.Replace("{0}", $"(env_vars->>'{key}')", StringComparison.Ordinal);
            var inTrigger = expression.Replace("{0}", $"(NEW.env_vars->>'{key}')", StringComparison.Ordinal);

            await Database.ExecuteAsync(
                $"ALTER TABLE stacks ADD CONSTRAINT armed CHECK (CASE WHEN env_vars ? 'ARM' THEN {inCheck} ELSE true END)");
            await AssertNothingShownAsync($"CHECK ({inCheck})");
            await Database.ExecuteAsync("ALTER TABLE stacks DROP CONSTRAINT armed");

            await Database.ExecuteAsync(
                $"CREATE TRIGGER act BEFORE UPDATE ON stacks FOR EACH ROW WHEN ({inTrigger}) EXECUTE FUNCTION act()");
            await AssertNothingShownAsync($"WHEN ({inTrigger})");
            await Database.ExecuteAsync("DROP TRIGGER act ON stacks");
        }
    }

    [Theory]
    [MemberData(nameof(Places))]
    public async Task A_place_where_the_server_quotes_a_value_shows_none(string place, string ddl)
    {
        foreach (var key in new[] { "SET", "KEPT" })
        {
            await using var own = await TestDatabase.CreateAsync();
            await own.InsertAsync("{}");
            await own.ExecuteAsync(ddl.Replace("{0}", key, StringComparison.Ordinal));
            await AssertNothingShownAsync($"{place}, {key}", own);
        }
    }

    [Theory]
    [MemberData(nameof(SqlStateClasses))]
    public async Task A_trigger_that_raises_shows_nothing_whatever_its_code(string sqlState)
    {
        var body =
            $"""
            RAISE EXCEPTION 'it is % and %', NEW.env_vars->>'SET', NEW.env_vars->>'KEPT'
            USING ERRCODE = '{sqlState}', DETAIL = NEW.env_vars::text, HINT = NEW.env_vars::text,
                  COLUMN = NEW.env_vars->>'SET', CONSTRAINT = NEW.env_vars->>'SET', DATATYPE = NEW.env_vars->>'SET',
                  TABLE = NEW.env_vars->>'KEPT', SCHEMA = NEW.env_vars->>'KEPT'
            """;
        foreach (var ddl in new[] { Trigger.On(body), Trigger.On(body, "AFTER UPDATE"), Trigger.InCommit(body) })
        {
            await Database.ExecuteAsync(ddl);
            await AssertNothingShownAsync(ddl);
            await Database.ExecuteAsync("DROP TRIGGER act ON stacks");
        }
    }

    [Theory]
    [InlineData("USING (true) WITH CHECK (NOT env_vars ? 'ARM' OR (env_vars->>'{0}')::regrole IS NOT NULL)")]
    [InlineData("USING (true) WITH CHECK (NOT env_vars ? 'ARM' OR has_schema_privilege(env_vars->>'{0}', 'usage'))")]
    [InlineData("USING (true) WITH CHECK (NOT env_vars ? 'ARM' OR env_vars->>'{0}' = '')")]
    [InlineData("USING (CASE WHEN env_vars ? 'STORED' THEN (env_vars->>'KEPT')::regclass IS NOT NULL ELSE true END)")]
    [InlineData("USING (env_vars->>'KEPT' = '' OR (env_vars->>'KEPT')::int > 0)")]
    public async Task A_policy_that_the_server_quotes_a_value_for_shows_none(string policy)
    {
        await Database.ExecuteAsync("ALTER TABLE stacks ENABLE ROW LEVEL SECURITY");
        await using var role = await TestRole.CreateAsync(Database);
        await role.GrantMergingAsync();
        foreach (var key in new[] { "SET", "KEPT" })
        {
            await Database.ExecuteAsync($"CREATE POLICY shown ON stacks {policy.Replace("{0}", key, StringComparison.Ordinal)}");
            await AssertNothingShownAsync(policy, dataSource: role.DataSource);
            await Database.ExecuteAsync("DROP POLICY shown ON stacks");
        }
    }

    private static string Generated(string type, string expression, string otherwise = "NULL") =>
        $"ALTER TABLE stacks ADD made {type} GENERATED ALWAYS AS (CASE WHEN env_vars ? 'ARM' THEN {expression} ELSE {otherwise} END) " +
        "STORED";

    private static string Domain(string check) =>
        $"CREATE DOMAIN checked AS jsonb CHECK (NOT value ? 'ARM' OR {check}); " +
        "ALTER TABLE stacks ALTER env_vars DROP DEFAULT, ALTER env_vars TYPE checked";

    private static string View(string check) =>
        "ALTER TABLE stacks RENAME TO old; " +
        $"CREATE VIEW stacks AS SELECT * FROM old WHERE NOT env_vars ? 'ARM' OR {check} WITH CHECK OPTION";

    private async Task AssertNothingShownAsync(string what, TestDatabase? database = null, NpgsqlDataSource? dataSource = null)
    {
        database ??= Database;
        var id = await database.ScalarAsync<Guid>(
            """
            INSERT INTO stacks (id, slug, status, env_vars, created_at, updated_at)
            VALUES (gen_random_uuid(), $1, 'healthy', $2::jsonb, now(), now()) RETURNING id
            """,
            $"stack-{Guid.NewGuid():N}",
            $$"""{"KEPT": "{{Secret}}", "STORED": "{{Secret}}"}""");
        var before = await StoredAsync();
        foreach (var journals in new IStackEnvMergeJournal[][] { [], [new Journal(static (_, _) => [new("SELECT 1")])] })
        {
            using var watch = new LeakWatch(Secret, "StackEnv.Merge");
            var merger = new StackEnvMerger(dataSource ?? database.DataSource, logger: watch, journals: journals);

            var failure = await Record.ExceptionAsync(() => merger.MergeAsync(id, Changes(("ARM", "1"), ("SET", Secret))));

            Assert.True(failure is StackEnvMergeException, $"{what}: {failure?.ToString() ?? "a success: the schema did not fail"}");
            watch.Read(Assert.IsType<StackEnvMergeException>(failure, exactMatch: false));
            Assert.True(watch.Leaks.Count == 0, $"{what}: {string.Join(" / ", watch.Leaks)}");
            Assert.Equal(before, await StoredAsync());
        }

        Task<string?> StoredAsync() =>
            database.ScalarAsync<string?>("SELECT concat_ws(' ', status, env_vars, updated_at) FROM stacks WHERE id = $1", id);
    }
}
