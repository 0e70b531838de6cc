namespace StackEnv.Merge.Protocol;

/// <summary>How the UPDATE of a merge makes sure that it may write.</summary>
internal enum Guards
{
    /// <summary>
    /// What nearly every row passes and costs the server little: a document that is an object, and so far below the limit that the sets fit
    /// on top of it.
    /// </summary>
    Quick,

    /// <summary>Every rule to the letter: SQL NULL is an empty set, and the size is that of the merged document, to the byte.</summary>
    Exact,
}
