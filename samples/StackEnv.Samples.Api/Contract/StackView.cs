namespace StackEnv.Samples.Api.Contract;

/// <summary>A stack without its environment variables.</summary>
internal sealed record StackView(Guid Id, string Slug, string Status, DateTimeOffset CreatedAt, DateTimeOffset UpdatedAt);
