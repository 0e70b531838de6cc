using System.Net.Http.Headers;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Authorization;

namespace StackEnv.Samples.Api;

/// <summary>An item of the configuration section <c>Teams</c>: a team and the token that its members send.</summary>
internal sealed record Team(Guid Id, string Token);

/// <summary>A stand-in for the host's own authentication: a bearer token identifies the team.</summary>
internal static class TeamTokens
{
    public const string Scheme = "Bearer";

    /// <summary>Everything needs a token unless it allows anonymous callers: also an unknown path and a wrong media type.</summary>
    public static void UseTeamTokens(this WebApplication app)
    {
        var teams = app.Configuration.GetSection("Teams").Get<Team[]>() ?? [];
        if (teams.Length == 0 || teams.Any(static team => team.Id == Guid.Empty || team.Token is not { Length: > 0 }))
        {
            throw new InvalidOperationException(
                "At least one team is needed, and every team needs an Id and a Token: set Teams:0:Id and Teams:0:Token. For development " +
                "they are in appsettings.Development.json.");
        }

        app.Use((context, next) =>
        {
            // Digests make the comparison take the same time for every token.
            var sent = AuthenticationHeaderValue.TryParse(context.Request.Headers.Authorization, out var header)
                && header.Scheme.Equals(Scheme, StringComparison.OrdinalIgnoreCase) ? Digest(header.Parameter ?? "") : [];
            if (teams.FirstOrDefault(team => CryptographicOperations.FixedTimeEquals(Digest(team.Token), sent)) is { } team)
            {
                context.User = new(new ClaimsIdentity([new(nameof(Team), team.Id.ToString())], Scheme));
            }
            else if (context.GetEndpoint()?.Metadata.GetMetadata<IAllowAnonymous>() is null)
            {
                context.Response.Headers.WWWAuthenticate = Scheme;
                return Problem.OfStatus(401).ExecuteAsync(context);
            }

            return next(context);
        });
    }

    public static Guid Team(this ClaimsPrincipal caller) => Guid.Parse(caller.FindFirstValue(nameof(Team))!);

    private static byte[] Digest(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
