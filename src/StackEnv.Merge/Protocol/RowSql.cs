using Npgsql;
using NpgsqlTypes;

namespace StackEnv.Merge.Protocol;

/// <summary>
/// How a statement finds the row: by its key alone, so that a router of a sharded database sends it to one shard, and by its owner.
/// </summary>
internal static class RowSql
{
    // With a varchar key, a user-defined operator in the search path can be a better match than the built-in one.
    // https://www.postgresql.org/docs/current/typeconv-oper.html
    private const string Is = "OPERATOR(pg_catalog.=)";

    public static string Condition(TargetTable table, int key, int? owner) =>
        $"{table.Key} {Is} ${key}{(owner is null ? "" : $" AND {table.Owner} {Is} ${owner}")}";

    /// <summary>The version as a number: SQL NULL is version 0.</summary>
    public static string Version(string column) => $"coalesce({column}::bigint, 0)";

    public static NpgsqlParameter Parameter(object value) => value switch
    {
        Guid uuid => new NpgsqlParameter<Guid> { TypedValue = uuid, NpgsqlDbType = NpgsqlDbType.Uuid },
        long bigint => new NpgsqlParameter<long> { TypedValue = bigint, NpgsqlDbType = NpgsqlDbType.Bigint },
        _ => new NpgsqlParameter<string> { TypedValue = (string)value, NpgsqlDbType = NpgsqlDbType.Text },
    };
}
