using Microsoft.AspNetCore.Authentication;

namespace StackEnv.Samples.Api.Teams;

/// <summary>The section <c>Teams</c> of the configuration.</summary>
internal sealed class TeamTokenOptions : AuthenticationSchemeOptions
{
    public IList<Team> Teams { get; } = [];
}
