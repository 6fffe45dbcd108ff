/** What is above the README on the first page: https://vitepress.dev/reference/default-theme-home-page */
export const home = {
  layout: 'home',
  hero: {
    name: 'bge-m3-node',
    text: 'bge-m3 embeddings in Node and Electron',
    tagline: 'Dense, sparse and ColBERT vectors from one pass, on the CPU, inside your process.',
    image: {
      src: '/images/speed.svg',
      alt: 'Tokens per second of bge-m3-node, ONNX Runtime int8 and node-llama-cpp',
    },
    actions: [
      { theme: 'brand', text: 'Get started', link: '/getting-started' },
      { theme: 'alt', text: 'Guides', link: '/guides' },
      { theme: 'alt', text: 'API reference', link: '/reference/' },
    ],
  },
}
