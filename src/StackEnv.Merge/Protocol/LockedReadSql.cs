using Npgsql;

namespace StackEnv.Merge.Protocol;

/// <summary>The locked read: waits for the row, locks it, and returns its status, its document and its version as of now.</summary>
internal sealed class LockedReadSql
{
    private readonly string _text;
    private readonly bool _hasOwner;

    public LockedReadSql(TargetTable table, bool hasOwner, string rowLock)
    {
        _hasOwner = hasOwner;
        var isTheRow = RowSql.Condition(table, key: 1, hasOwner ? 2 : null);
        var version = table.Version is { } column ? $", {RowSql.Version(column)}" : "";
        _text = $"SELECT {table.Status}::text, {table.EnvVars}::text{version} FROM {table.Name} WHERE {isTheRow} {rowLock}";
    }

    public NpgsqlBatchCommand Command(MergeRequest request)
    {
        var command = new NpgsqlBatchCommand(_text) { Parameters = { RowSql.Parameter(request.Stack.Key) } };
        if (_hasOwner)
        {
            command.Parameters.Add(RowSql.Parameter(request.Stack.Owner!));
        }

        return command;
    }
}
