using System.Text.RegularExpressions;

namespace StackEnv.Samples.Api;

/// <summary>Decides which values are shown. Every answer that contains values goes through here. Keys are always shown.</summary>
/// <param name="shownKeys">Keys whose values this host shows, whatever they are.</param>
internal sealed partial class Redaction(IEnumerable<string> shownKeys)
{
    public const string Hidden = "***";

    private const RegexOptions Options =
        RegexOptions.IgnoreCase | RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant;

    public const string Rule =
        "Every key is shown. A value is shown only if it is known to be harmless: a flag, a log level, the name of an environment, a " +
        "plain number with or without a unit, a version, localhost with or without a port, a vault:// reference, or the value of a key " +
        "in the operator's list Redaction:ShownKeys. Every other value reads " + Hidden + ".";

    private readonly HashSet<string> _shownKeys = new(shownKeys, StringComparer.Ordinal);

    public SortedDictionary<string, string> Of(IReadOnlyDictionary<string, string> env) => new(
        env.ToDictionary(static variable => variable.Key, variable => Of(variable.Key, variable.Value)), StringComparer.Ordinal);

    public string Of(string key, string value) =>
        VaultReference().IsMatch(value) || (!NameOfSecret().IsMatch(key) && !CredentialUrl().IsMatch(value) &&
            (_shownKeys.Contains(key) || HarmlessValue().IsMatch(value))) ? value : Hidden;

    // A reference shows where the secret is, not what it is.
    [GeneratedRegex(@"\Avault://[A-Za-z0-9._/#-]+\z", RegexOptions.NonBacktracking)]
    private static partial Regex VaultReference();

    // These names are hidden, except for a vault reference: no PIN is shown because it is a plain number.
    [GeneratedRegex(@"SECRET|PASS|PWD|TOKEN|_KEY|APIKEY|CREDENTIAL|(URL|URI|DSN)\z|(\A|_)(PIN|OTP|SALT|SEED|CODE)S?(_|\z)", Options)]
    private static partial Regex NameOfSecret();

    // scheme://user:pass@host, anywhere in the value. A password may contain '/' and '@', though it should not.
    [GeneratedRegex(@"[a-z][a-z0-9+.-]*://[^\s/?#@]*@|[a-z][a-z0-9+.-]*://[^\s/?#:@]*:\S*@", Options)]
    private static partial Regex CredentialUrl();

    [GeneratedRegex(
        @"\A(|true|false|yes|no|on|off|enabled|disabled|none|null|auto" +
        "|trace|debug|verbose|info|information|notice|warn|warning|error|critical|fatal|silent" +
        "|production|prod|staging|development|dev|test|testing|local" +
        @"|-?\d{1,9}(\.\d{1,6})?( ?(ms|s|m|h|d|b|kb|mb|gb|kib|mib|gib|%))?" +
        @"|v?\d{1,4}\.\d{1,4}\.\d{1,4}" +
        @"|(localhost|127\.0\.0\.1|0\.0\.0\.0)(:\d{1,5})?)\z",
        Options)]
    private static partial Regex HarmlessValue();
}
