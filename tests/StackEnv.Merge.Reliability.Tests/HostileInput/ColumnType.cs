namespace StackEnv.Merge.Reliability.Tests.HostileInput;

/// <summary>The types of key and owner columns, by their names in PostgreSQL.</summary>
internal enum ColumnType
{
    uuid,
    text,
    bigint,
}
