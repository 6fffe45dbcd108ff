/** What an agent may ask an index: the tools, the bounds of what they take and give. */

import type { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js'
import { optional } from '../../../common/optional.js'
import type { SearchIndex } from '../../../integrations/search/search-index.js'
import type { IndexedChunk } from '../../../integrations/search/types.js'
import { describeError } from '../shared/errors.js'
import { present } from '../shared/present.js'

/** UTF-16 units of a query; more than a model takes in any language. */
const MOST_QUERY = 100_000
const MOST_HITS = 50
const MOST_AROUND = 5
/** UTF-16 units of all texts that one call gives. */
const MOST_TEXT = 40_000

/** What the tools count their work by, so that whoever stops can wait for it. */
export interface Work {
  during<T>(work: Promise<T>): Promise<T>
}

/** Adds the tools to a server of the SDK. @throws InvalidInputError when zod is not installed */
export async function addTools(server: McpServer, index: SearchIndex, work: Work): Promise<void> {
  const { z } = await optional('zod', 'bge-m3 mcp', () => import('zod/v4'))
  const annotations = { readOnlyHint: true, openWorldHint: false }
  const place = {
    id: z.string().describe('For read_chunk.'),
    path: z.string().nullable().describe('Of the file; null for what came from none.'),
    line: z.number().nullable().describe('First line, from 1.'),
    endLine: z.number().nullable().describe('Last line.'),
  }

  server.registerTool(
    'search',
    {
      description:
        'Finds the passages of the indexed files that fit a query best, by meaning and by words. Gives ids, ' +
        'places and snippets; read_chunk gives the text.',
      inputSchema: z.strictObject({
        query: z.string().min(1).max(MOST_QUERY).describe('A question, a sentence or words.'),
        limit: z.int().min(1).max(MOST_HITS).default(10).describe('The most hits.'),
        mode: z
          .enum(['hybrid', 'dense', 'sparse'])
          .optional()
          .describe('By both (hybrid), by meaning (dense) or by words (sparse).'),
      }),
      outputSchema: {
        hits: z.array(z.object({ ...place, score: z.number(), snippet: z.string().nullable() })),
      },
      annotations,
    },
    ({ query, limit, mode }, { signal }) =>
      answer(work, async () => {
        const hits = await index.search(query, { limit, signal, ...present({ mode }) })
        return {
          hits: hits.map(({ snippet, score, ...chunk }) => ({
            ...placeOf(chunk),
            score,
            snippet: snippet?.text ?? null,
          })),
        }
      }),
  )

  const around = z.int().min(0).max(MOST_AROUND).default(0)
  server.registerTool(
    'read_chunk',
    {
      description:
        'The text of a passage that search found, and of its neighbours in the file, as they were indexed.',
      inputSchema: z.strictObject({
        id: z.string().max(MOST_QUERY).describe('As search gave it.'),
        before: around.describe('Chunks before it, too.'),
        after: around.describe('Chunks behind it, too.'),
      }),
      outputSchema: {
        chunks: z.array(
          z.object({
            ...place,
            text: z.string().nullable(),
            cut: z.boolean().describe('Whether the text is longer than what one call may give.'),
          }),
        ),
      },
      annotations,
    },
    ({ id, before, after }) =>
      answer(work, async () => {
        const chunks = await index.read(id, { before, after })
        let left = MOST_TEXT
        return {
          chunks: chunks.map((chunk) => {
            const text = chunk.text && whole(chunk.text, left)
            left -= text?.length ?? 0
            return { ...placeOf(chunk), text, cut: text !== chunk.text }
          }),
        }
      }),
  )

  server.registerTool(
    'index_status',
    {
      description: 'How many files and chunks are indexed, and by which model.',
      inputSchema: z.strictObject({}),
      outputSchema: {
        files: z.number(),
        chunks: z.number(),
        tokens: z.number(),
        bytes: z.number(),
        model: z.object({ name: z.string(), fingerprint: z.string() }).nullable(),
      },
      annotations,
    },
    () =>
      answer(work, async () => {
        const { files, chunks, tokens, bytes, model } = await index.stats()
        // where model and store lie is nobody's business
        const by = model && { name: model.name, fingerprint: model.fingerprint }
        return { files, chunks, tokens, bytes, model: by }
      }),
  )
}

function placeOf({
  id,
  path,
  line,
  endLine,
}: Pick<IndexedChunk, 'id' | 'path' | 'line' | 'endLine'>) {
  return { id, path, line, endLine }
}

/** The beginning of a text, with no character in two. */
function whole(text: string, most: number): string {
  if (text.length <= most) return text
  const isHalf = /[\ud800-\udbff]/.test(text[most - 1] ?? '')
  return text.slice(0, isHalf ? most - 1 : most)
}

/** What a tool gives, or why it gives nothing, in words for the agent. */
async function answer(
  work: Work,
  run: () => Promise<Record<string, unknown>>,
): Promise<CallToolResult> {
  try {
    const structuredContent = await work.during(run())
    // for clients that know no structured content
    return {
      content: [{ type: 'text', text: JSON.stringify(structuredContent) }],
      structuredContent,
    }
  } catch (error) {
    const { code, message } = describeError(error)
    return { content: [{ type: 'text', text: `${code}: ${message}` }], isError: true }
  }
}
