using CsCheck;

namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>Names of schemas, tables and columns that only quoting makes usable, some of them longer than PostgreSQL keeps.</summary>
internal static class HostileNames
{
    private static readonly Gen<string> Known = Gen.OneOf(
        "select", "Mixed Case", "a.b", "\"", "\"\"", "id = id OR 1=1", "$1", "'", "--", "/*", "*", "\\", "ключ", "🚀", " ",
        "stacks; DROP TABLE stacks; --", "U&\"\\0061\"", "%I", "{}", "\n", "e\u0301");

    // The 63rd byte lies anywhere in a character.
    private static readonly Gen<string> Long = Gen.Select(Gen.Int[50, 66], Gen.OneOf("é", "漢", "🚀", "\"", "n"), Gen.Int[1, 60])
        .Select(static (length, piece, times) => new string('n', length) + string.Concat(Enumerable.Repeat(piece, times)));

    private static readonly Gen<string> Name = Gen.Frequency((2, Known), (3, HostileText.NotEmpty), (1, Long));

    public static readonly Gen<TableNames> Names = Gen.Select(
        Gen.Frequency((1, Gen.Const((string?)null)), (1, Name.Select(static name => (string?)name))), Name, Name, Name, Name, Name, Name,
            Name)
        .Select(static (schema, table, key, owner, status, env, updatedAt, version) =>
            new TableNames(schema, table, key, owner, status, env, updatedAt, version))
        // PostgreSQL finds no name for the array type of a table whose name is underscores all through.
        .Where(static names => names.AreDistinct && names.Table.Trim('_').Length > 0);
}
