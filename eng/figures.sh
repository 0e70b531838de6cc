# Sourced by the scripts that measure: writes what was measured into the document that tells of it.
# shellcheck shell=bash

# Each `<!-- figures: NAME -->` of the document is followed by what the folder's NAME.md says, up to `<!-- end of figures -->`.
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
