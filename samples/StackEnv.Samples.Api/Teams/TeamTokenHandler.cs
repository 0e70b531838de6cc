using System.Net.Http.Headers;
using System.Security.Claims;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Authentication;
using Microsoft.Extensions.Options;

namespace StackEnv.Samples.Api.Teams;

/// <summary>A bearer token says which team is calling. A stand-in for the host's own authentication.</summary>
internal sealed class TeamTokenHandler(IOptionsMonitor<TeamTokenOptions> options, ILoggerFactory logger, UrlEncoder encoder)
    : AuthenticationHandler<TeamTokenOptions>(options, logger, encoder)
{
    public new const string Scheme = "Bearer";

    protected override Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (!AuthenticationHeaderValue.TryParse(Request.Headers.Authorization, out var header)
            || !string.Equals(header.Scheme, Scheme, StringComparison.OrdinalIgnoreCase)
            || header.Parameter is not { Length: > 0 } token)
        {
            return Task.FromResult(AuthenticateResult.NoResult());
        }

        // Digests, so that the comparison takes the same time whatever was sent.
        var sent = Digest(token);
        if (Options.Teams.FirstOrDefault(team => CryptographicOperations.FixedTimeEquals(Digest(team.Token), sent)) is not { } team)
        {
            return Task.FromResult(AuthenticateResult.Fail("The token is nobody's."));
        }

        var identity = new ClaimsIdentity([new(ClaimTypes.Name, team.Name), new(TeamTokens.TeamClaim, team.Id.ToString())], Scheme);
        return Task.FromResult(AuthenticateResult.Success(new(new ClaimsPrincipal(identity), Scheme)));
    }

    protected override Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        Response.Headers.WWWAuthenticate = Scheme;
        return base.HandleChallengeAsync(properties);
    }

    private static byte[] Digest(string token) => SHA256.HashData(Encoding.UTF8.GetBytes(token));
}
