using System.Globalization;
using CsCheck;
using Npgsql;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>A schema, or a journal, that makes the server quote a value in its own words when a set has the key ARM.</summary>
internal sealed record LeakingSchema
{
    private const string Value = "(env_vars->>'{0}')";

    private const string DropTrigger = "DROP TRIGGER act ON stacks";

    // Each quotes the value in another message, of another class.
    private static readonly string[] Expressions =
    [
        "quote_ident({0})::regrole IS NOT NULL", "quote_ident({0})::regclass IS NOT NULL", "quote_ident({0})::regproc IS NOT NULL",
        "quote_ident({0})::regtype IS NOT NULL", "quote_ident({0})::regnamespace IS NOT NULL", "quote_ident({0})::regconfig IS NOT NULL",
        "quote_ident({0})::regdictionary IS NOT NULL", "quote_ident({0})::regcollation IS NOT NULL", "({0})::regrole IS NOT NULL",
        "({0})::regclass IS NOT NULL", "({0})::regproc IS NOT NULL", "({0})::regoper IS NOT NULL",
        "({0} || '(int)')::regprocedure IS NOT NULL", "({0})::regtype IS NOT NULL", "has_schema_privilege({0}, 'usage')",
        "has_schema_privilege('public', {0})", "has_table_privilege(quote_ident({0}), 'select')",
        "has_column_privilege('pg_class', {0}, 'select')", "has_database_privilege({0}, 'connect')", "has_language_privilege({0}, 'usage')",
        "has_tablespace_privilege({0}, 'create')", "has_function_privilege({0}, 'execute')", "has_type_privilege({0}, 'usage')",
        "has_server_privilege({0}, 'usage')", "pg_has_role({0}, 'usage')", "current_setting({0}) IS NOT NULL",
        "set_config({0}, '', true) IS NOT NULL", "set_config('work_mem', {0}, true) IS NOT NULL", "nextval(quote_ident({0})) > 0",
        "pg_get_serial_sequence('pg_catalog.pg_class', {0}) IS NOT NULL", "pg_read_file({0}) IS NOT NULL",
        "date_trunc({0}, now()) IS NOT NULL", "convert_to('x', {0}) IS NOT NULL", "decode('x', {0}) IS NOT NULL",
        "query_to_xml({0}, true, true, '') IS NOT NULL", "query_to_xml('SELECT ' || {0}, true, true, '') IS NOT NULL",
        "jsonb_path_exists('{}', ('$.a ' || {0})::jsonpath)", "'x' ~ ('(' || {0})", "to_date({0}, 'YYYY-MM-DD') IS NOT NULL",
        "to_number({0}, '999') > 0", "pg_size_bytes({0}) > 0", "({0})::int > 0", "({0})::numeric > 0", "({0})::boolean",
        "({0})::uuid IS NOT NULL", "({0})::inet IS NOT NULL", "('<' || {0})::xml IS NOT NULL", "({0})::json IS NOT NULL",
        "({0})::timestamptz IS NOT NULL", "({0})::interval IS NOT NULL", "({0})::int4range IS NOT NULL", "({0})::bit(3) IS NOT NULL",
        "({0})::int[] IS NOT NULL", "({0} || ' x')::tsquery IS NOT NULL", "({0})::aclitem IS NOT NULL", "{0} = ''", "length({0}) < 0",
    ];

    private static readonly string[] SqlStates =
    [
        "01000", "02000", "08006", "0A000", "0P000", "20000", "21000", "22000", "22P05", "23000", "23505", "25000", "25006", "25P03",
        "28000", "28P01", "3D000", "3F000", "40001", "40003", "40P01", "42501", "42601", "42703", "42704", "42883", "42P01", "44000",
        "54000", "55000", "55P03", "57014", "57P01", "57P05", "P0001", "ZZ999",
    ];

    // {E} is the expression over the row, {N} the same over NEW, {0} the key whose value is quoted, {S} the code that is raised.
    private static readonly (string Name, string Make, string Drop)[] Places =
    [
        (
            "a check",
            "ALTER TABLE stacks ADD CONSTRAINT leak CHECK (CASE WHEN env_vars ? 'ARM' THEN {E} ELSE true END)",
            "ALTER TABLE stacks DROP CONSTRAINT leak"),
        (
            "the condition of a BEFORE trigger",
            "CREATE TRIGGER leak BEFORE UPDATE ON stacks FOR EACH ROW WHEN ({N}) EXECUTE FUNCTION nothing()",
            "DROP TRIGGER leak ON stacks"),
        (
            "the condition of an AFTER trigger",
            "CREATE TRIGGER leak AFTER UPDATE ON stacks FOR EACH ROW WHEN ({N}) EXECUTE FUNCTION nothing()",
            "DROP TRIGGER leak ON stacks"),
        ("a trigger that evaluates", Trigger.On("PERFORM {N}"), DropTrigger),
        (
            "a trigger that executes",
            Trigger.On("EXECUTE 'SELECT 1 FROM ' || quote_ident(NEW.env_vars->>'{0}')"),
            DropTrigger),
        (
            "a trigger that raises",
            Trigger.On(
                "RAISE EXCEPTION 'it is %', NEW.env_vars->>'{0}' USING ERRCODE = '{S}', DETAIL = NEW.env_vars::text, " +
                "HINT = NEW.env_vars::text, TABLE = NEW.env_vars->>'{0}'",
                "AFTER UPDATE"),
            DropTrigger),
        (
            "a deferred trigger that raises",
            Trigger.InCommit("RAISE EXCEPTION 'it is %', NEW.env_vars->>'{0}' USING ERRCODE = '{S}'"),
            DropTrigger),
        (
            "an index over a function",
            "CREATE FUNCTION leak(env_vars jsonb) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS " +
            "$f$ BEGIN RETURN CASE WHEN env_vars ? 'ARM' THEN {E} END; END $f$; CREATE INDEX leak ON stacks (leak(env_vars))",
            "DROP FUNCTION leak(jsonb) CASCADE"),
        (
            "a generated column",
            "CREATE FUNCTION leak(env_vars jsonb) RETURNS boolean IMMUTABLE LANGUAGE sql AS " +
            "$f$ SELECT CASE WHEN env_vars ? 'ARM' THEN {E} END $f$; " +
            "ALTER TABLE stacks ADD leak boolean GENERATED ALWAYS AS (leak(env_vars)) STORED",
            "DROP FUNCTION leak(jsonb) CASCADE"),
        (
            "an exclusion",
            "INSERT INTO stacks (slug, env_vars) SELECT 'taken', env_vars || '{\"ARM\": \"1\", \"{0}\": \"taken\"}' FROM stacks " +
            "WHERE slug = 'run'; ALTER TABLE stacks ADD CONSTRAINT leak EXCLUDE USING hash (({V} IS NULL) WITH =) WHERE (env_vars ? 'ARM')",
            "ALTER TABLE stacks DROP CONSTRAINT leak; DELETE FROM stacks WHERE slug = 'taken'"),
        ("a rule", "CREATE RULE leak AS ON UPDATE TO stacks DO ALSO INSERT INTO seen SELECT {N}", "DROP RULE leak ON stacks"),
    ];

    /// <summary>What holds the expression.</summary>
    public required string Place { get; init; }

    /// <summary>The statements that make it.</summary>
    public required string Make { get; init; }

    /// <summary>The statements that take it away.</summary>
    public required string Drop { get; init; }

    /// <summary>
    /// What the journal runs with the secret as its parameter, or with the secret in its own text; <see langword="null"/> if there is no
    /// journal.
    /// </summary>
    public required Func<string, NpgsqlBatchCommand>? Journal { get; init; }

    /// <summary>Draws one.</summary>
    public static Gen<LeakingSchema> Any { get; } = Gen.Frequency(
        (8, Gen.Select(Gen.OneOf(Places), Gen.OneOf(Expressions), Gen.OneOf(SqlStates), Gen.OneOf("SET", "KEPT"), Gen.Bool, InPlace)),
        (2, Gen.Select(Gen.OneOf(Expressions), Gen.Bool, InJournal)));

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Place}: {Make}");

    private static LeakingSchema InPlace(
        (string Name, string Make, string Drop) place, string expression, string sqlState, string key, bool isJournaled)
    {
        var row = expression.Replace("{0}", Value, StringComparison.Ordinal);
        return new()
        {
            Place = place.Name,
            Make = place.Make
                .Replace("{E}", row, StringComparison.Ordinal)
                .Replace("{N}", row.Replace("env_vars", "NEW.env_vars", StringComparison.Ordinal), StringComparison.Ordinal)
                .Replace("{V}", Value, StringComparison.Ordinal)
                .Replace("{S}", sqlState, StringComparison.Ordinal)
                .Replace("{0}", key, StringComparison.Ordinal),
            Drop = place.Drop,
            Journal = isJournaled ? static _ => new("SELECT 1") : null,
        };
    }

    private static LeakingSchema InJournal(string expression, bool isSpliced) => new()
    {
        Place = isSpliced ? "a journal's text" : "a journal's parameter",
        Make = "SELECT",
        Drop = "SELECT",
        Journal = secret => isSpliced
            ? new($"SELECT {expression.Replace("{0}", $"'{secret}'", StringComparison.Ordinal)}, {secret}")
            : new($"SELECT {expression.Replace("{0}", "$1::text", StringComparison.Ordinal)}")
            {
                Parameters = { new() { Value = secret } },
            },
    };
}
