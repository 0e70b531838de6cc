using System.Text;

namespace StackEnv.Merge.Benchmarks.Report;

/// <summary>Writes one Markdown file.</summary>
internal sealed class Markdown
{
    private readonly StringBuilder _text = new();

    public Markdown Paragraph(string text)
    {
        _text.AppendLine(text).AppendLine();
        return this;
    }

    public Markdown Table(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        _text.AppendLine(Line(columns));
        _text.AppendLine(Line([.. columns.Select(static (_, index) => index == 0 ? "---" : "---:")]));
        foreach (var row in rows)
        {
            _text.AppendLine(Line(row));
        }

        _text.AppendLine();
        return this;
    }

    public void Save(string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, _text.ToString().TrimEnd() + "\n");
    }

    private static string Line(IReadOnlyList<string> cells) => $"| {string.Join(" | ", cells)} |";
}
