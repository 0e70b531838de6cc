namespace StackEnv.Merge.Protocol;

/// <summary>The conditions of the UPDATE under which it may write.</summary>
internal enum Guards
{
    /// <summary>
    /// Cheap for the server, and nearly every row passes them: the document is an object, and so far below the limit that the sets fit on
    /// top of it. They reject some writes that the exact guards accept.
    /// </summary>
    Conservative,

    /// <summary>The exact rules: SQL NULL is an empty set, and the size is that of the merged document, to the byte.</summary>
    Exact,
}
