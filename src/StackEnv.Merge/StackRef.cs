using System.ComponentModel;
using System.Globalization;
using StackEnv.Merge.Text;

namespace StackEnv.Merge;

/// <summary>Names one stack by the value of its key column, and optionally the owner and the version that it must have.</summary>
/// <remarks>
/// Create one by implicit conversion from a <see cref="Guid"/>, a <see cref="string"/> or a <see cref="long"/>, whichever the key column
/// holds (<c>uuid</c>, <c>text</c> or <c>bigint</c>). The default value names no stack and is refused.
/// </remarks>
public readonly struct StackRef : IEquatable<StackRef>
{
    internal const string DefaultNamesNoStack = "The default StackRef names no stack. Make one from a Guid, a string or a long.";

    private const string CharIsNoKey = "A char is neither a text nor a number. Use a string or a long.";

    private readonly object? _key;

    private StackRef(object? key, object? owner, long? version)
    {
        _key = key;
        Owner = owner;
        Version = version;
    }

    /// <summary>Gets the value of the key column: a <see cref="Guid"/>, a <see cref="string"/> or a <see cref="long"/>.</summary>
    /// <exception cref="InvalidOperationException">This is the default value, which names no stack.</exception>
    public object Key => _key ?? throw new InvalidOperationException(DefaultNamesNoStack);

    /// <summary>
    /// Gets the value that the owner column must have (a <see cref="Guid"/>, a <see cref="string"/> or a <see cref="long"/>), or
    /// <see langword="null"/> for any.
    /// </summary>
    public object? Owner { get; }

    /// <summary>
    /// Gets the version that the row must have, or <see langword="null"/> for any; see <see cref="AtVersion"/>.
    /// </summary>
    public long? Version { get; }

    /// <summary>Gets the stack and its owner without the version, which is a condition and not part of the name.</summary>
    internal StackRef AtAnyVersion => new(_key, Owner, version: null);

    internal bool IsDefault => _key is null;

#pragma warning disable CA2225 // The conversion is the one way in; a second name for each would only add surface.

    /// <summary>Names the stack with this <c>uuid</c> key.</summary>
    /// <param name="key">The value of the key column.</param>
    public static implicit operator StackRef(Guid key) => new(key, owner: null, version: null);

    /// <summary>Names the stack with this <c>text</c> key, its slug for example.</summary>
    /// <param name="key">The value of the key column.</param>
    /// <exception cref="ArgumentNullException"><paramref name="key"/> is <see langword="null"/>.</exception>
    public static implicit operator StackRef(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return new(key, owner: null, version: null);
    }

    /// <summary>Names the stack with this <c>bigint</c> key.</summary>
    /// <param name="key">The value of the key column.</param>
    public static implicit operator StackRef(long key) => new(key, owner: null, version: null);

    /// <summary>Not supported: without this operator, a <see cref="char"/> would convert to the <c>bigint</c> of its code.</summary>
    /// <param name="key">A character.</param>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete(CharIsNoKey, error: true)]
    public static implicit operator StackRef(char key) => default;

#pragma warning restore CA2225

    /// <summary>Compares two references.</summary>
    /// <param name="left">One reference.</param>
    /// <param name="right">The other reference.</param>
    /// <returns>Whether both name the same stack, the same owner and the same version.</returns>
    public static bool operator ==(StackRef left, StackRef right) => left.Equals(right);

    /// <summary>Compares two references.</summary>
    /// <param name="left">One reference.</param>
    /// <param name="right">The other reference.</param>
    /// <returns>Whether they differ in the stack, in the owner or in the version.</returns>
    public static bool operator !=(StackRef left, StackRef right) => !left.Equals(right);

    /// <summary>Returns a reference to the same stack that matches only if this owner has it. Otherwise the merge finds no stack.</summary>
    /// <param name="owner">The value that the owner column must have.</param>
    /// <returns>The reference. The locked read checks its owner.</returns>
    /// <exception cref="InvalidOperationException">This is the default value, which names no stack.</exception>
    public StackRef OwnedBy(Guid owner) => new(Key, owner, Version);

    /// <inheritdoc cref="OwnedBy(Guid)"/>
    /// <exception cref="ArgumentNullException"><paramref name="owner"/> is <see langword="null"/>.</exception>
    public StackRef OwnedBy(string owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return new(Key, owner, Version);
    }

    /// <inheritdoc cref="OwnedBy(Guid)"/>
    public StackRef OwnedBy(long owner) => new(Key, owner, Version);

    /// <summary>Not supported: without this overload, a <see cref="char"/> would convert to the <c>bigint</c> of its code.</summary>
    /// <param name="owner">A character.</param>
    /// <returns>The default value, which names no stack.</returns>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete(CharIsNoKey, error: true)]
    public StackRef OwnedBy(char owner) => default;

    /// <summary>
    /// Returns a reference to the same stack that is merged into only while its row is at this version. Otherwise the merge throws a
    /// <see cref="StackVersionException"/> and writes nothing, also if it would change nothing.
    /// </summary>
    /// <remarks>
    /// It needs a <see cref="StackEnvMergeOptions.VersionColumn"/>. The version is compared under the row lock, after the check for a
    /// teardown and before every other, so of several merges into one version only one can write.
    /// </remarks>
    /// <param name="version">
    /// The version that was read before, from <see cref="MergeResult.Version"/> or from the column, where SQL NULL counts as 0. Any number
    /// is allowed; one that the row does not have does not match.
    /// </param>
    /// <returns>The reference, with the owner if one is named.</returns>
    /// <exception cref="InvalidOperationException">This is the default value, which names no stack.</exception>
    public StackRef AtVersion(long version) => new(Key, Owner, version);

    /// <inheritdoc/>
    public bool Equals(StackRef other) => Equals(_key, other._key) && Equals(Owner, other.Owner) && Version == other.Version;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is StackRef other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_key, Owner, Version);

    /// <summary>
    /// Returns the key, and the owner and the version if they are named, in one printable line, as messages and logs show it.
    /// </summary>
    /// <returns>Text in which unprintable characters are escaped and long keys are cut.</returns>
    public override string ToString()
    {
        var name = (_key, Owner) switch
        {
            (null, _) => "(none)",
            (var key, null) => Show(key),
            (var key, var owner) => $"{Show(key)} of owner {Show(owner)}",
        };
        return Version is { } version ? $"{name} at version {Show(version)}" : name;
    }

    private static string Show(object value) =>
        value as string is { } text ? Printable.Quote(text) : Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
