using System.Runtime.CompilerServices;
using System.Text;

namespace StackEnv.Samples.Api.Tests;

/// <summary>Which values may be shown: those that are known to be harmless, and no others.</summary>
public sealed class RedactionTests
{
    // Realistic variables of a web shop. Every secret is made up.
    private static readonly (string Key, string Value)[] WebShop =
    [
        ("NODE_ENV", "production"), ("LOG_LEVEL", "info"), ("PORT", "8080"), ("WORKERS", "4"), ("DEBUG", "false"),
        ("FEATURE_NEW_CHECKOUT", "on"), ("REQUEST_TIMEOUT", "30s"), ("CACHE_SIZE", "512MB"), ("TAX_RATE", "0.19"),
        ("APP_VERSION", "v2.14.1"),
        ("TZ", "Europe/Berlin"), ("CURRENCY", "EUR"), ("STORE_NAME", "Corner Shop"), ("METRICS_ADDRESS", "0.0.0.0:9102"),
        ("SMTP_PASSWORD", "vault://kv/shop/smtp#password"), ("DATABASE_URL", "postgres://shop:k7Rm@db.internal:5432/shop"),
        ("REDIS_ADDRESS", "redis://h9Qx@cache.internal:6379/0"), ("DB_PASS", "correct-horse"), ("DB_HOST", "db.internal"),
        ("DB_CONNECTION", "Host=db;Username=shop;Password=k7Rm"), ("JDBC", "jdbc:postgresql://db/shop?user=shop&password=k7Rm"),
        ("STRIPE_SECRET_KEY", "sk_example_51Hq"), ("STRIPE_WEBHOOK", "whsec_example_9f2c"), ("PAYPAL_CLIENT", "AYexample-3c"),
        ("JWT_SIGNING", "-----BEGIN PRIVATE KEY----- MIIexample"), ("TLS_PEM", "-----BEGIN CERTIFICATE----- MIIexample"),
        ("GOOGLE_SERVICE_ACCOUNT", """{"type": "service_account", "private_key": "example"}"""), ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("S3_CREDENTIALS", "AKIAEXAMPLE:wJalrEXAMPLE"), ("SENTRY_DSN", "https://0a1b@sentry.example/7"),
        ("SLACK_HOOK", "https://hooks.example/services/T0/B0/x1Y2"), ("GITHUB_PAT", "ghp_example"), ("SESSION_SALT", "4711"),
        ("ADMIN_PIN", "4711"), ("ADMIN_MAIL", "owner@shop.example"), ("BASIC_AUTH", "admin:opensesame"),
        ("COOKIE", "session=eyJhbGciOi"), ("ENCRYPTION", "3f7a9c0e5b1d"), ("BANK_ACCOUNT", "4929123412341234"), ("EMPTY", ""),
    ];

    [Theory]
    [InlineData("CLIENT_SECRET", "true")]
    [InlineData("SECRETS", "1")]
    [InlineData("DB_PASSWORD", "1234")]
    [InlineData("DB_PASSWD", "1234")]
    [InlineData("PWD", "1234")]
    [InlineData("API_TOKEN_2", "1234")]
    [InlineData("SIGNING_KEY", "1234")]
    [InlineData("SIGNING_KEY_OLD", "1234")]
    [InlineData("APIKEY", "1234")]
    [InlineData("MyApiKey", "1234")]
    [InlineData("DATABASE_URL", "localhost")]
    [InlineData("REDIS_URI", "localhost")]
    [InlineData("SENTRY_DSN", "localhost")]
    [InlineData("API_TOKEN", "")]
    [InlineData("VAULT", "vault://user:pass@host/path")]
    [InlineData("DB_PASSWORD", "vault://kv/db and more")]
    [InlineData("DB_PASSWORD", "not vault://kv/db")]
    [InlineData("NUMBER", "1234567890")]
    [InlineData("NUMBER", "12a")]
    [InlineData("LEVEL", "debug\nhunter2")]
    [InlineData("LEVEL", "debug hunter2")]
    [InlineData("ADDRESS", "localhost:5432/x")]
    [InlineData("ANYTHING", "x")]
    public void Hidden(string key, string value) => Assert.Equal("***", new Redaction([]).Of(key, value));

    [Theory]
    [InlineData("LOG_LEVEL", "Debug")]
    [InlineData("ANYTHING", "TRUE")]
    [InlineData("OFFSET", "-12.5")]
    [InlineData("SHARE", "80%")]
    [InlineData("MEMORY", "2 GiB")]
    [InlineData("EMPTY", "")]
    [InlineData("DB_PASSWORD", "vault://kv/db#password")]
    [InlineData("DATABASE_URL", "vault://kv/db#url")]
    public void Shown(string key, string value) => Assert.Equal(value, new Redaction([]).Of(key, value));

    [Fact]
    public void A_host_adds_keys_to_the_list_but_cannot_show_what_is_named_or_looks_like_a_secret()
    {
        var redaction = new Redaction(["GREETING", "GREETING_TOKEN"]);

        Assert.Equal("hello there", redaction.Of("GREETING", "hello there"));
        Assert.Equal("***", redaction.Of("GREETINGS", "hello there"));
        Assert.Equal("***", redaction.Of("GREETING_TOKEN", "hello there"));
        Assert.Equal("***", redaction.Of("GREETING", "see https://user:pass@host"));
        Assert.Equal("***", redaction.Of("GREETING", "redis://h9Qx@cache"));
    }

    [Fact]
    public void The_keys_come_in_order() =>
        Assert.Equal(["A", "B", "_"], new Redaction([]).Of(new Dictionary<string, string> { ["_"] = "1", ["B"] = "1", ["A"] = "1" }).Keys);

    /// <summary>On a difference the message has the table as it must be.</summary>
    [Fact]
    public async Task The_readme_shows_which_variables_of_a_web_shop_are_hidden()
    {
        var redaction = new Redaction(["CURRENCY", "LANG", "STORE_NAME", "TZ"]); // as in appsettings.json
        var table = new StringBuilder("| variable | shown as |\n| --- | --- |\n");
        foreach (var (key, value) in WebShop)
        {
            var shown = redaction.Of(key, value);
            table.Append('|').Append($" `{key}={value}` ".Replace("|", "\\|", StringComparison.Ordinal)).Append('|')
                .Append(shown is "" ? " (empty) " : $" `{shown}` ").Append("|\n");
        }

        var readme = await File.ReadAllTextAsync(Path.Combine(ThisFolder(), "..", "..", "samples", "StackEnv.Samples.Api", "README.md"));

        Assert.Equal(40, WebShop.DistinctBy(static variable => variable.Key).Count());
        Assert.True(readme.Contains(table.ToString(), StringComparison.Ordinal), $"Put this into the sample's README:\n{table}");
    }

    private static string ThisFolder([CallerFilePath] string thisFile = "") => Path.GetDirectoryName(thisFile)!;
}
