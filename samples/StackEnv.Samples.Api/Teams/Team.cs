namespace StackEnv.Samples.Api.Teams;

/// <summary>One team and the token that its members send.</summary>
internal sealed class Team
{
    public Guid Id { get; set; }

    public string Name { get; set; } = "";

    public string Token { get; set; } = "";
}
