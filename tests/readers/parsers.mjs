// What parsers of JavaScript keep of a feed, in the words of reader_comparison.py.
//
// usage: node parsers.mjs MODULES DOCUMENT...
//
// MODULES is the folder where the packages of package.json are installed, a DOCUMENT ends with .rss, .atom or
// .json. Prints {parser: {format: {channel, items} or {error}}} as JSON. What a parser does not keep is left out.

import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, ...documents] = process.argv.slice(2)
const resolve = createRequire(path.join(path.resolve(modules), 'package.json')).resolve
const load = async name => {
  const module = await import(pathToFileURL(resolve(name)))
  return module.default && typeof module.default === 'object' ? { ...module.default, ...module } : module
}

const list = value => (value === undefined || value === null ? [] : Array.isArray(value) ? value : [value])
const linked = (links, rel) => list(links).filter(link => link.rel === rel)
const isPicture = file => file.medium === 'image' || String(file.type ?? '').startsWith('image/')
const played = (file, size, duration) => ({ url: file.url, type: file.type, size, duration })

// --- feedsmith --------------------------------------------------------------------------------------

const feedsmith = await load('feedsmith')

const byFeedsmith = {
  rss: feed => ({
    channel: {
      title: feed.title, page: feed.link, description: feed.description, language: feed.language,
      rights: feed.copyright, updated: feed.lastBuildDate, picture: feed.image?.url, authors: feed.dc?.creators,
    },
    items: feed.items.map(item => ({
      id: item.guid?.value, title: item.title, page: item.link, published: item.pubDate,
      updated: item.atom?.updated, authors: item.dc?.creators, language: item.dc?.languages?.[0],
      excerpt: item.content ? item.description : undefined,
      content: item.content?.encoded ?? item.description,
      pictures: list(item.media?.contents).filter(isPicture).map(file => file.url),
      files: list(item.enclosures).map(file => played(file, file.length, item.itunes?.duration)),
      topics: list(item.categories).map(one => one.name), source: item.source?.title,
    })),
  }),
  atom: feed => ({
    channel: {
      title: feed.title?.value, page: linked(feed.links, 'alternate')[0]?.href, description: feed.subtitle?.value,
      language: feed.xml?.lang, rights: feed.rights?.value, updated: feed.updated, picture: feed.logo,
      authors: list(feed.authors).map(one => one.name),
    },
    items: feed.entries.map(entry => ({
      id: entry.id, title: entry.title?.value, page: linked(entry.links, 'alternate')[0]?.href,
      published: entry.published, updated: entry.updated, authors: list(entry.authors).map(one => one.name),
      excerpt: entry.summary?.value, content: entry.content?.value, language: entry.xml?.lang,
      pictures: list(entry.media?.contents).filter(isPicture).map(file => file.url),
      files: linked(entry.links, 'enclosure').map(link => ({
        url: link.href, type: link.type, size: link.length,
        duration: list(entry.media?.contents).find(file => file.url === link.href)?.duration,
      })),
      topics: list(entry.categories).map(one => one.label), source: entry.source?.title?.value,
    })),
  }),
  json: feed => ({
    channel: {
      title: feed.title, page: feed.home_page_url, description: feed.description, language: feed.language,
      picture: feed.icon, authors: list(feed.authors).map(one => one.name),
    },
    items: feed.items.map(item => ({
      id: item.id, title: item.title, page: item.url, published: item.date_published,
      updated: item.date_modified, authors: list(item.authors).map(one => one.name), excerpt: item.summary,
      content: item.content_html, language: item.language, pictures: [item.image, item.banner_image].filter(Boolean),
      files: list(item.attachments).map(file => ({
        url: file.url, type: file.mime_type, size: file.size_in_bytes, duration: file.duration_in_seconds,
      })),
      topics: item.tags,
    })),
  }),
}

// --- rss-parser -------------------------------------------------------------------------------------

const RssParser = createRequire(path.join(path.resolve(modules), 'package.json'))('rss-parser')

const byRssParser = async text => {
  const feed = await new RssParser().parseString(text)
  return {
    channel: {
      title: feed.title, page: feed.link, description: feed.description, language: feed.language,
      rights: feed.copyright, updated: feed.lastBuildDate, picture: feed.image?.url,
    },
    items: feed.items.map(item => ({
      id: item.guid ?? item.id, title: item.title, page: item.link, published: item.isoDate,
      authors: list(item.creator ?? item.author), excerpt: item['content:encoded'] ? item.content : item.summary,
      content: item['content:encoded'] ?? item.content,
      // A category with an attribute is an object.
      topics: list(item.categories).map(one => one._ ?? one),
      files: list(item.enclosure).map(file => played(file, file.length, item.itunes?.duration)),
    })),
  }
}

// --- htmlparser2 ------------------------------------------------------------------------------------

const htmlparser2 = await load('htmlparser2')

const byHtmlparser2 = text => {
  const feed = htmlparser2.parseFeed(text)
  return {
    channel: {
      title: feed.title, page: feed.link, description: feed.description, updated: feed.updated, authors: list(feed.author),
    },
    items: feed.items.map(item => ({
      id: item.id, title: item.title, page: item.link, published: item.pubDate, excerpt: item.description,
      pictures: item.media.filter(isPicture).map(file => file.url),
      files: item.media.filter(file => file.url && !isPicture(file)).map(file => played(file, file.fileSize, file.duration)),
    })),
  }
}

// --- @extractus/feed-extractor ----------------------------------------------------------------------

const extractor = await load('@extractus/feed-extractor')

const byExtractor = (text, format) => {
  const options = { descriptionMaxLen: 0 }
  const feed = format === 'json' ? extractor.extractFromJson(JSON.parse(text), options) : extractor.extractFromXml(text, options)
  return {
    channel: {
      title: feed.title, page: feed.link, description: feed.description, language: feed.language, updated: feed.published,
    },
    items: feed.entries.map(item => ({
      id: item.id, title: item.title, page: item.link, published: item.published, excerpt: item.description,
    })),
  }
}

// --- fast-xml-parser: a tree, of which a reader takes what it wants ---------------------------------

const textOf = node => (node !== null && typeof node === 'object' ? node['#text'] : node)
const texts = nodes => list(nodes).map(textOf)

const byTree = async (name, text, format) => {
  const { XMLParser } = await load(name)
  const tree = new XMLParser({
    ignoreAttributes: false, attributeNamePrefix: '', parseTagValue: false, trimValues: false, htmlEntities: true,
  }).parse(text)
  const media = item => list(item['media:content'])
  if (format === 'rss') {
    const { channel } = tree.rss
    return {
      channel: {
        title: channel.title, page: channel.link, description: channel.description, language: channel.language,
        rights: channel.copyright, updated: channel.lastBuildDate, picture: channel.image?.url,
        authors: list(channel['dc:creator']),
      },
      items: list(channel.item).map(item => ({
        id: textOf(item.guid), title: item.title, page: item.link, published: item.pubDate,
        updated: item['atom:updated'], authors: list(item['dc:creator']), language: item['dc:language'],
        excerpt: item['content:encoded'] ? item.description : undefined,
        content: item['content:encoded'] ?? item.description, topics: texts(item.category), source: textOf(item.source),
        pictures: media(item).filter(isPicture).map(file => file.url),
        files: list(item.enclosure).map(file => played(file, file.length, item['itunes:duration'])),
      })),
    }
  }
  const { feed } = tree
  return {
    channel: {
      title: feed.title, page: linked(feed.link, 'alternate')[0]?.href, description: feed.subtitle,
      language: feed['xml:lang'], rights: feed.rights, updated: feed.updated, picture: feed.logo,
      authors: list(feed.author).map(one => one.name),
    },
    items: list(feed.entry).map(entry => ({
      id: entry.id, title: entry.title, page: linked(entry.link, 'alternate')[0]?.href, published: entry.published,
      updated: entry.updated, authors: list(entry.author).map(one => one.name), excerpt: textOf(entry.summary),
      content: textOf(entry.content), language: entry['xml:lang'], source: entry.source?.title,
      topics: list(entry.category).map(one => one.label),
      pictures: media(entry).filter(isPicture).map(file => file.url),
      files: linked(entry.link, 'enclosure').map(link => ({
        url: link.href, type: link.type, size: link.length,
        duration: media(entry).find(file => file.url === link.href)?.duration,
      })),
    })),
  }
}

// --- all of them ------------------------------------------------------------------------------------

const parsers = {
  feedsmith: { formats: ['rss', 'atom', 'json'], read: (text, format) => byFeedsmith[format](feedsmith.parseFeed(text).feed) },
  'rss-parser': { formats: ['rss', 'atom'], read: byRssParser },
  htmlparser2: { formats: ['rss', 'atom'], read: byHtmlparser2 },
  'feed-extractor': { formats: ['rss', 'atom', 'json'], read: byExtractor },
  'fast-xml-parser 4': { formats: ['rss', 'atom'], read: (text, format) => byTree('fast-xml-parser-4', text, format) },
  'fast-xml-parser 5': { formats: ['rss', 'atom'], read: (text, format) => byTree('fast-xml-parser-5', text, format) },
}

const found = {}
for (const [name, { formats, read }] of Object.entries(parsers)) {
  found[name] = {}
  for (const document of documents) {
    const format = path.extname(document).slice(1)
    if (!formats.includes(format)) continue
    try {
      found[name][format] = await read(fs.readFileSync(document, 'utf8'), format)
    } catch (error) {
      found[name][format] = { error: String(error) }
    }
  }
}
process.stdout.write(JSON.stringify(found))
