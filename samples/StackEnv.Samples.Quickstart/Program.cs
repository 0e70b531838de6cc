using StackEnv.Merge;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddNpgsqlDataSource(builder.Configuration.GetConnectionString("Database")!);
builder.Services.AddStackEnvMerge(options => options.KeyColumn = "slug");
var app = builder.Build();

