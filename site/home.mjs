/** What is above the README on the first page: https://vitepress.dev/reference/default-theme-home-page */
export const home = {
  layout: 'home',
  hero: {
    name: 'bge-m3-node',
    text: 'bge-m3 embeddings in Node and Electron',
    tagline: 'Dense, sparse and ColBERT vectors from one pass, on the CPU, inside your process.',
    actions: [
      { theme: 'brand', text: 'Get started', link: '/getting-started' },
      { theme: 'alt', text: 'Guides', link: '/guides' },
      { theme: 'alt', text: 'API reference', link: '/reference/' },
    ],
  },
  features: [
    {
      title: 'One process',
      details:
        'No Python, no server, no GPU. A native addon with llama.cpp and SIMD kernels of its own inside.',
    },
    {
      title: 'All three outputs',
      details:
        'Dense vectors, lexical weights and multi-vectors, with FlagEmbedding’s five scores.',
    },
    {
      title: 'Exact',
      details:
        'A text gives the same bits alone or in any batch, with any number of threads, run after run.',
    },
    {
      title: 'Hard to break',
      details: 'Bad texts, damaged files, cancellation and exit give typed errors or a clean end.',
    },
  ],
}
