using System.Text.RegularExpressions;

namespace StackEnv.Samples.Api;

/// <summary>What may be shown of environment variables. Every answer that has some goes through here.</summary>
internal static partial class Redaction
{
    public const string Hidden = "***";

    private static readonly string[] SecretParts = ["SECRET", "PASSWORD", "PASSWD", "PWD", "TOKEN", "_KEY", "APIKEY"];
    private static readonly string[] SecretEndings = ["URL", "URI", "DSN"];

    public static SortedDictionary<string, string> Of(IReadOnlyDictionary<string, string> env)
    {
        var shown = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in env)
        {
            shown.Add(key, Of(key, value));
        }

        return shown;
    }

    public static string Of(string key, string value)
    {
        if (CredentialUrl().IsMatch(value))
        {
            return Hidden;
        }

        // A reference into the vault says where the secret is, not what it is.
        if (VaultReference().IsMatch(value))
        {
            return value;
        }

        return SecretParts.Any(part => key.Contains(part, StringComparison.OrdinalIgnoreCase))
            || SecretEndings.Any(ending => key.EndsWith(ending, StringComparison.OrdinalIgnoreCase))
            ? Hidden
            : value;
    }

    // scheme://user:pass@host, anywhere in the value. A password may hold '/' and '@' as they are, though it should not.
    [GeneratedRegex(
        @"[a-z][a-z0-9+.-]*://[^\s/?#:@]*:\S*@", RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.CultureInvariant)]
    private static partial Regex CredentialUrl();

    [GeneratedRegex(@"\Avault://\S+\z", RegexOptions.NonBacktracking)]
    private static partial Regex VaultReference();
}
