/** HTML to the text that a reader sees. */
import { beforeAll, describe, expect, it } from 'vitest'
import { type HtmlText, loadHtml } from '../../../lib/integrations/search/html.js'

let read: (source: string) => Promise<HtmlText>
beforeAll(async () => {
  read = await loadHtml()
})

describe('HTML', () => {
  it.each([
    ['<p>One.</p><p>Two.</p>', 'One.\n\nTwo.'],
    ['<h1>Title</h1><h3>Part <em>of</em> it</h3>Text', '# Title\n\n### Part of it\n\nText'],
    ['<title>T</title><script>var a = "<p>x</p>"</script><style>p{}</style>Body', 'T\n\nBody'],
    ['<ul><li>One<li>Two</ul>After', '- One\n- Two\n\nAfter'],
    ['a<br>b', 'a\nb'],
    ['Fish &amp; chips &lt;b&gt; &eacute; &#128512; &nbsp;x', 'Fish & chips <b> é 😀 \u00a0x'],
    ['<p>One\n  line   of\ttext</p>', 'One line of text'],
    ['<b>bold</b>, <i>italic</i>!', 'bold, italic!'],
    ['<b>two</b> <i>words</i>', 'two words'],
    ['<pre>a\n  b\n\nc</pre>', 'a\n  b\n\nc'],
    ['<table><tr><td>1<td>2<tr><td>3<td>4</table>', '1 2\n3 4'],
    ['<img alt="A cat" src="x"> sleeps', 'A cat sleeps'],
    ['<!-- comment --><![CDATA[x]]>y<?php z ?>', 'y'],
    ['<template><p>no</p></template><noscript>no</noscript><svg><text>no</text></svg>yes', 'yes'],
    ['<p>unclosed <b>tags <i>everywhere', 'unclosed tags everywhere'],
    ['</div></p></script>x', 'x'],
    ['<script>never closed <p>text', ''],
    ['', ''],
    ['plain text', 'plain text'],
    ['<h1></h1><p>after an empty heading</p>', 'after an empty heading'],
    ['a < b and <3', 'a < b and <3'],
  ])('%j', async (source, text) => {
    expect((await read(source)).text).toBe(text)
  })

  it('takes time as its length, whatever it is', async () => {
    const sources = [
      '<div>'.repeat(1_000_000),
      '<b></p>'.repeat(1_000_000),
      `${'<b>'.repeat(500_000)}${'</i>'.repeat(500_000)}`,
    ]
    for (const source of sources) {
      await expect(read(source)).rejects.toMatchObject({
        code: 'INVALID_INPUT',
        message: expect.stringMatching(/nested more than 1000/),
      })
    }
    const depth = '<div>'.repeat(999)
    expect((await read(`${depth}${'<b></b>'.repeat(20_000)}deep`)).text).toBe('deep')
    expect((await read(`<p title="${'x'.repeat(1_000_000)}">text`)).text).toBe('text')
    expect((await read('<p>'.repeat(300_000))).text).toBe('')
    expect((await read('<'.repeat(100_000))).text.length).toBeLessThanOrEqual(100_000)
    expect((await read(`<!--${'-'.repeat(1_000_000)}`)).text).toBe('')
  })

  it('is the same wherever the source is sliced', async () => {
    const words =
      '<p>Fish &amp; <b>chips</b> &eacute;</p>\n<script>x &lt;</script><pre> a\n b </pre>'
    const { text } = await read(words.repeat(4000))
    const once = (await read(words)).text
    expect(text).toBe(Array(4000).fill(once).join('\n\n'))
  })

  it('knows the line of the source', async () => {
    const source = [
      '<html>',
      '<head><title>A title</title></head>',
      '<body>',
      '<h1>Heading</h1>',
      '',
      '<p>First',
      'second line',
      'third &amp; last</p>',
      '<pre>',
      'code one',
      'code two',
      '</pre>',
      '<script>',
      'dropped',
      '</script>',
      '<p>End</p>',
    ].join('\n')
    const { text, lineOf } = await read(source)
    const line = (part: string) => lineOf(text.indexOf(part))
    expect(line('A title')).toBe(2)
    expect(line('Heading')).toBe(4)
    expect(line('# Heading')).toBe(4)
    expect(line('First')).toBe(6)
    expect(line('second')).toBe(7)
    expect(line('third')).toBe(8)
    expect(line('code one')).toBe(10)
    expect(line('code two')).toBe(11)
    expect(line('End')).toBe(16)
    expect(line('\n\nEnd')).toBe(16)
    expect((await read('')).lineOf(0)).toBe(1)
  })
})
