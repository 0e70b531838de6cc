namespace StackEnv.Samples.Api.Tests;

/// <summary>Which values may be shown.</summary>
public sealed class RedactionTests
{
    [Theory]
    [InlineData("CLIENT_SECRET", "x")]
    [InlineData("SECRETS", "x")]
    [InlineData("DB_PASSWORD", "x")]
    [InlineData("DB_PASSWD", "x")]
    [InlineData("PWD", "x")]
    [InlineData("API_TOKEN_2", "x")]
    [InlineData("SIGNING_KEY", "x")]
    [InlineData("SIGNING_KEY_OLD", "x")]
    [InlineData("APIKEY", "x")]
    [InlineData("MyApiKey", "x")]
    [InlineData("DATABASE_URL", "x")]
    [InlineData("REDIS_URI", "x")]
    [InlineData("SENTRY_DSN", "x")]
    [InlineData("API_TOKEN", "")]
    [InlineData("DATABASE", "postgres://user:pass@host/db")]
    [InlineData("DATABASE", "POSTGRESQL+asyncpg://user:pass@host")]
    [InlineData("CACHE", "redis://:pass@host:6379")]
    [InlineData("BROKERS", "amqp://one,amqp://user:pass@two")]
    [InlineData("DATABASE", "postgres://user:p/a@ss@host")]
    [InlineData("TEXT", "first line\npostgres://user:pass@host")]
    [InlineData("NESTED", """{"url": "postgres://user:pass@host"}""")]
    [InlineData("VAULT", "vault://user:pass@host/path")]
    [InlineData("DB_PASSWORD", "vault://kv/db and more")]
    [InlineData("DB_PASSWORD", "not vault://kv/db")]
    public void Hidden(string key, string value) => Assert.Equal("***", Redaction.Of(key, value));

    [Theory]
    [InlineData("LOG_LEVEL", "debug")]
    [InlineData("KEYBOARD", "de")]
    [InlineData("URL_PREFIX", "/shop")]
    [InlineData("EMPTY", "")]
    [InlineData("HOMEPAGE", "https://example.org:8443/path?q=1")]
    [InlineData("MAIL", "shop@example.org")]
    [InlineData("DB_PASSWORD", "vault://kv/db#password")]
    [InlineData("DATABASE_URL", "vault://kv/db#url")]
    public void Shown(string key, string value) => Assert.Equal(value, Redaction.Of(key, value));

    [Fact]
    public void The_keys_come_in_order() =>
        Assert.Equal(["A", "B", "_"], Redaction.Of(new Dictionary<string, string> { ["_"] = "1", ["B"] = "1", ["A"] = "1" }).Keys);
}
