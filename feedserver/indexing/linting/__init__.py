"""The linter of `feedserver check`: remarks beyond the findings of reading, forms of output, repairs.

A check has time that indexing has not: it reads each file once more, for keys that look like known ones and
for values that are dropped (`remarks`), and gives every finding its line, its extent and its remedy
(`diagnostics`). Changes files only in `fixing`. Does not decide what an article is: `articles` does.
"""
