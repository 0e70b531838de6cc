using System.Security.Claims;

namespace StackEnv.Samples.Api.Teams;

/// <summary>Registers the teams' tokens, and reads the team of a caller.</summary>
internal static class TeamTokens
{
    public const string TeamClaim = "team";

    public static void AddTeamTokens(this IServiceCollection services, IConfigurationSection teams)
    {
        // AddAuthentication would bring data protection as well, which writes keys for cookies to disk. There are no cookies here.
        services.AddWebEncoders();
        services.AddTransient<TeamTokenHandler>();
        services.AddAuthenticationCore(static options =>
        {
            options.DefaultScheme = TeamTokenHandler.Scheme;
            options.AddScheme<TeamTokenHandler>(TeamTokenHandler.Scheme, displayName: null);
        });
        services.AddOptions<TeamTokenOptions>(TeamTokenHandler.Scheme)
            .Configure(options => teams.Bind(options.Teams))
            .Validate(
                static options =>
                    options.Teams.Count > 0 && options.Teams.All(static team => team.Id != Guid.Empty && team.Token.Length > 0),
                "Every team needs an Id and a Token, and there has to be one: set Teams:0:Id, Teams:0:Name and Teams:0:Token. For " +
                "development they are in appsettings.Development.json.")
            .ValidateOnStart();
    }

    public static Guid Team(this ClaimsPrincipal caller) =>
        Guid.Parse(caller.FindFirstValue(TeamClaim) ?? throw new InvalidOperationException("The caller has no team."));
}
