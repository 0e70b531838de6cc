using System.ComponentModel;
using System.Globalization;
using StackEnv.Merge.Text;

namespace StackEnv.Merge;

/// <summary>Names one stack by the value of its key column, and optionally the owner that the stack must have.</summary>
/// <remarks>
/// It is made by implicit conversion from a <see cref="Guid"/>, a <see cref="string"/> or a <see cref="long"/>, whichever the key column
/// holds (<c>uuid</c>, <c>text</c> or <c>bigint</c>). The default value names no stack and is refused.
/// </remarks>
public readonly struct StackRef : IEquatable<StackRef>
{
    internal const string DefaultNamesNoStack = "The default StackRef names no stack. Make one from a Guid, a string or a long.";

    private const string CharIsNoKey = "A char is neither a text nor a number. Use a string or a long.";

    private readonly object? _key;

    private StackRef(object key, object? owner)
    {
        _key = key;
        Owner = owner;
    }

    /// <summary>Gets the value of the key column: a <see cref="Guid"/>, a <see cref="string"/> or a <see cref="long"/>.</summary>
    /// <exception cref="InvalidOperationException">This is the default value, which names no stack.</exception>
    public object Key => _key ?? throw new InvalidOperationException(DefaultNamesNoStack);

    /// <summary>
    /// Gets the value that the owner column must have (a <see cref="Guid"/>, a <see cref="string"/> or a <see cref="long"/>), or
    /// <see langword="null"/> for any.
    /// </summary>
    public object? Owner { get; }

    internal bool IsDefault => _key is null;

#pragma warning disable CA2225 // The conversion is the one way in; a second name for each would only add surface.

    /// <summary>Names the stack with this <c>uuid</c> key.</summary>
    /// <param name="key">The value of the key column.</param>
    public static implicit operator StackRef(Guid key) => new(key, owner: null);

    /// <summary>Names the stack with this <c>text</c> key, its slug for example.</summary>
    /// <param name="key">The value of the key column.</param>
    /// <exception cref="ArgumentNullException"><paramref name="key"/> is <see langword="null"/>.</exception>
    public static implicit operator StackRef(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return new(key, owner: null);
    }

    /// <summary>Names the stack with this <c>bigint</c> key.</summary>
    /// <param name="key">The value of the key column.</param>
    public static implicit operator StackRef(long key) => new(key, owner: null);

    /// <summary>Not supported: without this operator, a <see cref="char"/> would convert to the <c>bigint</c> of its code.</summary>
    /// <param name="key">A character.</param>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete(CharIsNoKey, error: true)]
    public static implicit operator StackRef(char key) => default;

#pragma warning restore CA2225

    /// <summary>Compares two references.</summary>
    /// <param name="left">One reference.</param>
    /// <param name="right">The other reference.</param>
    /// <returns>Whether both name the same stack and the same owner.</returns>
    public static bool operator ==(StackRef left, StackRef right) => left.Equals(right);

    /// <summary>Compares two references.</summary>
    /// <param name="left">One reference.</param>
    /// <param name="right">The other reference.</param>
    /// <returns>Whether they differ in the stack or in the owner.</returns>
    public static bool operator !=(StackRef left, StackRef right) => !left.Equals(right);

    /// <summary>Returns a reference to the same stack that matches only if this owner has it. Otherwise the merge finds no stack.</summary>
    /// <param name="owner">The value that the owner column must have.</param>
    /// <returns>The reference. The locked read checks its owner.</returns>
    /// <exception cref="InvalidOperationException">This is the default value, which names no stack.</exception>
    public StackRef OwnedBy(Guid owner) => new(Key, owner);

    /// <inheritdoc cref="OwnedBy(Guid)"/>
    /// <exception cref="ArgumentNullException"><paramref name="owner"/> is <see langword="null"/>.</exception>
    public StackRef OwnedBy(string owner)
    {
        ArgumentNullException.ThrowIfNull(owner);
        return new(Key, owner);
    }

    /// <inheritdoc cref="OwnedBy(Guid)"/>
    public StackRef OwnedBy(long owner) => new(Key, owner);

    /// <summary>Not supported: without this overload, a <see cref="char"/> would convert to the <c>bigint</c> of its code.</summary>
    /// <param name="owner">A character.</param>
    /// <returns>The default value, which names no stack.</returns>
    [EditorBrowsable(EditorBrowsableState.Never)]
    [Obsolete(CharIsNoKey, error: true)]
    public StackRef OwnedBy(char owner) => default;

    /// <inheritdoc/>
    public bool Equals(StackRef other) => Equals(_key, other._key) && Equals(Owner, other.Owner);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is StackRef other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(_key, Owner);

    /// <summary>Returns the key, and the owner if one is named, in one printable line, as messages and logs show it.</summary>
    /// <returns>Text in which unprintable characters are escaped and long keys are cut.</returns>
    public override string ToString() => (_key, Owner) switch
    {
        (null, _) => "(none)",
        (var key, null) => Show(key),
        (var key, var owner) => $"{Show(key)} of owner {Show(owner)}",
    };

    private static string Show(object value) =>
        value as string is { } text ? Printable.Quote(text) : Convert.ToString(value, CultureInfo.InvariantCulture)!;
}
