using Microsoft.AspNetCore.Authorization;
using Microsoft.OpenApi;
using StackEnv.Samples.Api.Problems;
using StackEnv.Samples.Api.Teams;

namespace StackEnv.Samples.Api;

/// <summary>What the OpenAPI document says beyond the routes.</summary>
internal static class ApiDescription
{
    public static void AddStackOpenApi(this IServiceCollection services) => services.AddOpenApi("v1", static options =>
    {
        options.AddDocumentTransformer(static (document, _, _) =>
        {
            document.Info = new()
            {
                Title = "Stacks",
                Version = "v1",
                Description =
                    "Merges environment variables into stacks. Every failure is application/problem+json and has a code in `error`.",
            };
            document.Components ??= new();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal);
            document.Components.SecuritySchemes[TeamTokenHandler.Scheme] =
                new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "The token of a team." };
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer(static (schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(Problem))
            {
                schema.Properties!.Remove("instance"); // ASP.NET Core's problem details have it; this API leaves it out
                schema.Properties["type"].Description = "Names this kind of problem.";
            }

            // No body of this contract has a member that may be missing or null. Among the values of a PATCH, null means delete.
            foreach (var (name, member) in schema.Properties ?? new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal))
            {
                (schema.Required ??= new HashSet<string>(StringComparer.Ordinal)).Add(name);
                if (member is OpenApiSchema { Type: { } type } inline)
                {
                    inline.Type = type & ~JsonSchemaType.Null;
                }
            }

            if (context.JsonTypeInfo.Type == typeof(Dictionary<string, string?>) && schema.AdditionalProperties is OpenApiSchema value)
            {
                value.Type |= JsonSchemaType.Null;
            }

            return Task.CompletedTask;
        });
        options.AddOperationTransformer(static (operation, context, _) =>
        {
            if (!context.Description.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any())
            {
                operation.Security = [new() { [new(TeamTokenHandler.Scheme, context.Document)] = [] }];
            }

            return Task.CompletedTask;
        });
    });
}
