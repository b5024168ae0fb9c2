"""Small sites in the layouts of site generators that packages of JavaScript bring, for `generators`."""

from __future__ import annotations

ASTRO = {
    "package.json": '{"type": "module"}\n',
    "astro.config.mjs": 'export default {site: "https://quay.example.org"};\n',
    "src/content.config.js": 'import { defineCollection } from "astro:content";\n'
    'import { glob } from "astro/loaders";\n'
    'import { z } from "astro/zod";\n'
    "export const collections = {blog: defineCollection({\n"
    '  loader: glob({base: "./src/content/blog", pattern: "**/*.md"}),\n'
    "  schema: z.object({title: z.string(), description: z.string().optional(), pubDate: z.coerce.date()}),\n"
    "})};\n",
    # As the page "Add an RSS feed" of Astro's documentation has it, newest first.
    "src/pages/rss.xml.js": 'import rss from "@astrojs/rss";\n'
    'import { getCollection } from "astro:content";\n'
    "export async function GET(context) {\n"
    '  const posts = await getCollection("blog");\n'
    "  posts.sort((a, b) => b.data.pubDate - a.data.pubDate);\n"
    '  return rss({title: "Quay", description: "News", site: context.site, items: posts.map((post) => (\n'
    "    {...post.data, link: `/blog/${post.id}/`, content: post.rendered.html}))});\n"
    "}\n",
    "src/content/blog/pier.md": "---\ntitle: The Pier\ndescription: A short text.\npubDate: 'May 01 2024'\n"
    "updatedDate: 'Jun 01 2024'\n---\nA **bold** text & [more](/more/).\n",
    "src/content/blog/Low Tide.md": "---\ntitle: 'Tide: low'\npubDate: 2024-05-02\n---\nText.\n",
    "src/content/blog/2024-05-03-dated.md": "---\ntitle: Dated\n"
    "pubDate: 2024-05-03T10:00:00+02:00\n---\nText.\n",
    "src/content/blog/Sea Side/under_score.md": "---\ntitle: Under\npubDate: 2024-05-04\n---\nText.\n",
    "src/content/blog/Café v1.2.md": "---\ntitle: Café\npubDate: 2024-05-05\n---\nText.\n",
    "src/content/blog/boats/index.md": "---\ntitle: Boats\npubDate: 2024-05-06\n---\nText.\n",
    "src/content/blog/slugged.md": "---\ntitle: Slugged\npubDate: 2024-05-07\nslug: own-name\n---\nText.\n",
}

DOCUSAURUS = {
    "package.json": '{"name": "quay", "version": "1.0.0", "private": true}\n',
    "docusaurus.config.js": 'module.exports = {title: "Quay", url: "https://quay.example.org",\n'
    '  baseUrl: "/", onBrokenLinks: "ignore",\n'
    '  presets: [["classic", {docs: false, blog: {onUntruncatedBlogPosts: "ignore",\n'
    '    onInlineAuthors: "ignore", feedOptions: {type: "all", limit: false}}}]]};\n',
    "blog/2024-05-01-pier.md": "---\ntags: [sea, Open Data]\nauthors: {name: Ada}\n---\n# The Pier\n\nLead."
    "\n\n<!-- truncate -->\n\n:::note\n\nMore.\n\n:::\n",
    "blog/2024-05-02-walk/index.md": "---\ntitle: Walk\n---\nText.\n",
    "blog/2024/05/03/tide.md": "---\ntitle: Tide\nlast_update: {date: 2024-06-03}\n---\nText.\n",
    "blog/undated.md": "---\ntitle: Undated\ndate: 2024-05-04T10:00:00+02:00\n---\nText.\n",
    "blog/sea/2024-05-05-Low Tide.mdx": "---\ntitle: 'Low: tide'\n---\nimport x from 'react';\n\nText.\n",
    "blog/2024-05-06-slugged.md": "---\ntitle: Slugged\nslug: /own/name\n---\nText.\n",
    "blog/2024-05-07-plain.md": "Only a text.\n",
    "blog/2024-05-08-listed.md": "---\ntitle: Unlisted\nunlisted: true\n---\nText.\n",
    "blog/2024-05-08-draft.md": "---\ntitle: Draft\ndraft: true\n---\nText.\n",
    "blog/2024-05-09-moved.md": "---\ntitle: Moved\ndate: 2024-05-10\nslug: other\n---\nText.\n",
}

ELEVENTY = {
    "package.json": '{"type": "module"}\n',
    "eleventy.config.js": 'import { feedPlugin } from "@11ty/eleventy-plugin-rss";\n'
    "export default function (config) {\n"
    '  config.setInputDirectory("content");\n'
    '  config.addPlugin(feedPlugin, {outputPath: "/feed.xml", collection: {name: "posts", limit: 0},\n'
    '    metadata: {title: "Quay", base: "https://quay.example.org/", language: "en",\n'
    '      author: {name: "Ada"}}});\n'
    "}\n",
    "content/blog/blog.json": '{"tags": "posts"}\n',
    "content/blog/2024-05-01-pier.md": "---\ntitle: The Old Pier\n---\nA **bold** text.\n",
    "content/blog/fixed.md": "---\ntitle: Fixed\ndate: 2024-05-02\npermalink: /fixed/\n---\nText.\n",
    "content/blog/slugged.md": "---\ntitle: 'Café & High Tide'\ndate: 2024-05-03\n"
    "permalink: '/posts/{{ title | slugify }}/'\n---\nText.\n",
    "content/blog/file.md": "---\ntitle: File\ndate: 2024-05-04\n"
    "permalink: 'p/{{ page.fileSlug }}/index.html'\n---\nText.\n",
    "content/blog/2024-05-05-dated.md": "---\ntitle: Dated\n"
    "permalink: '/{{ page.date | date: \"%Y/%m/%d\" }}/{{ page.fileSlug }}.html'\n---\nText.\n",
    "content/blog/walk/index.md": "---\ntitle: Walk\ndate: 2024-05-06\n"
    "permalink: '/{{ page.filePathStem }}/{{ title | downcase }}/'\n---\nText.\n",
    "content/blog/slug.md": '---\ntitle: "C++ / Über 100%"\ndate: 2024-05-07\n'
    "permalink: '/s/{{ title | slug }}/'\n---\nText.\n",
    "content/blog/hidden.md": "---\ntitle: Hidden\ndate: 2024-05-08\n"
    "eleventyExcludeFromCollections: true\n---\nText.\n",
}

HEXO = {
    "package.json": '{"name": "quay", "version": "1.0.0", "private": true, "hexo": {"version": "8.1.2"},\n'
    '"dependencies": {"hexo": "*", "hexo-generator-feed": "*", "hexo-renderer-marked": "*"}}\n',
    "_config.yml": "title: Quay\nurl: https://quay.example.org/sub\nauthor: Ada\nlanguage: en\n"
    "timezone: UTC\npermalink: ':year/:month/:day/:title/'\nnew_post_name: ':title.md'\ntheme: false\n"
    "feed: {type: atom, path: atom.xml, limit: 0, content: true}\n",
    "source/_posts/pier.md": "---\ntitle: The Pier\ndate: 2024-05-01 10:00:00\nupdated: 2024-06-01 10:00:00\n"
    "categories: [Sea Side, boats]\ntags: [tide, Open Data]\n---\nLead **b**.\n\n<!-- more -->\n\nMore.\n",
    "source/_posts/sub/Low Tide.md": "---\ntitle: 'Tide: low'\ndate: 2024-05-02\n---\nText.\n",
    "source/_posts/perm.md": "---\ntitle: Permalink\ndate: 2024-05-03\npermalink: own/place/\n---\nText.\n",
    "source/_posts/hidden.md": "---\ntitle: Hidden\ndate: 2024-05-04\npublished: false\n---\nText.\n",
    "source/_posts/open.md": "title: Open\ndate: 2024-05-05\n---\nText.\n",
    "source/_posts/Café.md": "---\ntitle: Café\ndate: 2024-05-06\n---\n"
    "A {% raw %}{{ raw }}{% endraw %} and [the pier]({% post_path pier %}).\n",
}

ZOLA = {
    "config.toml": 'base_url = "https://quay.example.org"\ntitle = "Quay"\ndescription = "News"\n'
    'default_language = "en"\ngenerate_feeds = true\nfeed_filenames = ["atom.xml"]\n'
    'taxonomies = [{name = "tags"}]\n',
    "templates/index.html": "{{ section.content | safe }}\n",
    "templates/section.html": "{{ section.content | safe }}\n",
    "templates/page.html": "{{ page.content | safe }}\n",
    "templates/taxonomy_list.html": "tags\n",
    "templates/taxonomy_single.html": "tag\n",
    "content/_index.md": "+++\n+++\n",
    "content/blog/_index.md": '+++\ntitle = "Blog"\nsort_by = "date"\n+++\n',
    "content/blog/pier.md": '+++\ntitle = "The Pier"\ndate = 2024-05-01T10:00:00+02:00\nupdated = 2024-06-01'
    '\nauthors = ["Ada"]\n[taxonomies]\ntags = ["sea", "Open Data"]\n+++\n'
    "Lead.\n\n<!-- more -->\n\nA [link](@/blog/slug.md) and ![boats](boats.jpg).\n",
    "content/blog/2024-05-02_First page.md": '+++\ntitle = "First"\n+++\nText.\n',
    "content/blog/slug.md": '+++\ntitle = "Slug"\ndate = 2024-05-03\nslug = "Own Slug"\n+++\nText.\n',
    "content/own.md": '+++\ntitle = "Own"\ndate = 2024-05-04\npath = "elsewhere/own"\n+++\nText.\n',
    "content/blog/Low_Tide Café.md": '+++\ntitle = "Low tide: café"\ndate = 2024-05-05\n+++\nText.\n',
    "content/blog/2024-05-06-walk/index.md": '+++\ntitle = "Walk"\n+++\nA ![picture](a.jpg).\n',
    "content/blog/Sea Side/in.md": '+++\ntitle = "In a folder"\ndate = 2024-05-07\n+++\nText.\n',
    "content/blog/draft.md": '+++\ntitle = "Draft"\ndate = 2024-05-07\ndraft = true\n+++\nText.\n',
    "content/blog/untitled.md": "+++\ndate = 2024-05-08\n+++\nText.\n",
    "content/blog/undated.md": '+++\ntitle = "Undated"\n+++\nText.\n',
    "content/blog/2024-05-09T10:00:00Z-clock.md": '+++\ntitle = "Clock"\n+++\nText.\n',
    "content/blog/yaml.md": "---\ntitle: YAML\ndate: 2024-05-10\n---\nText.\n",
}
