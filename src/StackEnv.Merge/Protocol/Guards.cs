namespace StackEnv.Merge.Protocol;

/// <summary>How the UPDATE of a merge makes sure that it may write.</summary>
internal enum Guards
{
    /// <summary>
    /// Cheap for the server, and passed by nearly every row: the document is an object, and so far below the limit that the sets fit on
    /// top of it. They reject some writes that the exact guards accept.
    /// </summary>
    Conservative,

    /// <summary>Every rule to the letter: SQL NULL is an empty set, and the size is that of the merged document, to the byte.</summary>
    Exact,
}
