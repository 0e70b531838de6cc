using Microsoft.AspNetCore.Authorization;
using Microsoft.OpenApi;

namespace StackEnv.Samples.Api;

/// <summary>Adds to the OpenAPI document what the routes do not show.</summary>
internal static class ApiDescription
{
    public static void AddStackOpenApi(this IServiceCollection services) => services.AddOpenApi("v1", static options =>
    {
        options.ShouldInclude = static description => description.HttpMethod is not "HEAD"; // as GET, without a body
        options.AddDocumentTransformer(static (document, _, _) =>
        {
            document.Info = new() { Title = "Stacks", Version = "v1", Description = "Every failure has a code in `error`." };
            document.Components ??= new();
            document.Components.SecuritySchemes ??= new Dictionary<string, IOpenApiSecurityScheme>(StringComparer.Ordinal);
            document.Components.SecuritySchemes[TeamTokens.Scheme] =
                new OpenApiSecurityScheme { Type = SecuritySchemeType.Http, Scheme = "bearer", Description = "The token of a team." };
            return Task.CompletedTask;
        });
        options.AddOperationTransformer(static (operation, context, _) =>
        {
            if (!context.Description.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any())
            {
                operation.Security = [new() { [new(TeamTokens.Scheme, context.Document)] = [] }];
            }

            return Task.CompletedTask;
        });
        options.AddSchemaTransformer(static (schema, context, _) =>
        {
            if (context.JsonTypeInfo.Type == typeof(Dictionary<string, string?>) && schema.AdditionalProperties is OpenApiSchema value)
            {
                value.Type |= JsonSchemaType.Null; // null deletes a key
            }

            return Task.CompletedTask;
        });
    });
}
