# Sourced by the scripts that measure: writes the figures into the document that explains them.
# shellcheck shell=bash

# Replaces the text after each `<!-- figures: NAME -->` of the document, up to `<!-- end of figures -->`, with the folder's NAME.md.
fill_figures() {
    local document=$1 folder=$2
    awk -v folder="$folder" '
        /^<!-- end of figures -->$/ { skipping = 0 }
        !skipping { print }
        /^<!-- figures: .* -->$/ {
            file = folder "/" $3 ".md"
            if ((getline line <file) > 0) {
                skipping = 1
                do print line; while ((getline line <file) > 0)
                close(file)
            }
        }
    ' "$document" >"$document.new"
    mv "$document.new" "$document"
    echo "The figures are in ${document#"$root/"}."
}
