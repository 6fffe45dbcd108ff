/** No Docker engine runs where this is tested: what can be read is checked, docs/docker.md says the rest. */
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { validate } from 'dockerfile-utils'
import { afterEach, describe, expect, it } from 'vitest'
import { root, run } from '../helpers/child.js'
import { has } from '../helpers/needs.mjs'
import {
  argumentsOf,
  dockerfileText,
  inherited,
  isInContext,
  read,
  readYaml,
  stages,
} from './files.js'

interface Manifest {
  bin: Record<string, string>
  engines: { node: string }
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  peerDependencies: Record<string, string>
}

const manifest = JSON.parse(read('package.json')) as Manifest

describe('Dockerfile', () => {
  it('has nothing that the linter objects to', () => {
    expect(validate(dockerfileText).map(({ message }) => message)).toEqual([])
    // and the linter does object to what is wrong
    expect(validate('FROM node\nRUNN x\n')).toHaveLength(1)
  })

  it('starts from one pinned image that Node is new enough in', () => {
    const image = /^ARG NODE_IMAGE=node:(\d+)\.\d+\.\d+-bookworm-slim$/m.exec(dockerfileText)
    expect(Number(image?.[1])).toBeGreaterThanOrEqual(
      Number(/\d+/.exec(manifest.engines.node)?.[0]),
    )
    const names = new Set<string>()
    for (const { name, from } of stages()) {
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is Docker's
      expect(from === '${NODE_IMAGE}' || names.has(from)).toBe(true)
      names.add(name)
    }
    expect([...names]).toContain('development')
  })

  it('copies what is in the build context, or what an earlier stage made', () => {
    const earlier = new Set<string>()
    for (const { name, instructions } of stages()) {
      for (const copy of instructions.filter((line) => line.getKeyword() === 'COPY')) {
        const words = argumentsOf(copy).filter((word) => !word.startsWith('--'))
        const from = /--from=(\S+)/.exec(copy.toString())?.[1]
        if (from !== undefined) {
          expect(earlier).toContain(from)
          continue
        }
        for (const source of words.slice(0, -1)) {
          expect(existsSync(join(root, source)), source).toBe(true)
          if (source !== '.') expect(isInContext(source), source).toBe(true)
        }
      }
      earlier.add(name)
    }
  })

  it('sends the source to the build, and nothing that was made on this machine', () => {
    for (const path of [
      'lib/apps/server/page/public/index.html',
      'native/addon/addon.cpp',
      'scripts/build.mjs',
      'docker/server-packages.mjs',
      'package-lock.json',
    ]) {
      expect(existsSync(join(root, path)), path).toBe(true)
      expect(isInContext(path), path).toBe(true)
    }
    for (const path of [
      '.git/config',
      'build/Release/bge_m3_node.node',
      'dist/index.js',
      'node_modules/fastify/package.json',
      'lib/x/model.gguf',
      'docker/.env',
      '.env',
    ]) {
      expect(isInContext(path), path).toBe(false)
    }
  })

  it('runs the command as nobody special, with volumes, a port and a health check', () => {
    expect(inherited('runtime', 'USER').map(argumentsOf)).toEqual([['node']])
    expect(inherited('runtime', 'EXPOSE').map(argumentsOf)).toEqual([['8080']])
    const [volumes] = inherited('runtime', 'VOLUME')
    expect(JSON.parse(volumes?.getArgumentsContent() ?? '')).toEqual(['/cache/models', '/cache'])
    const [entry] = inherited('runtime', 'ENTRYPOINT')
    expect(JSON.parse(entry?.getArgumentsContent() ?? '')).toEqual(['node', manifest.bin['bge-m3']])
    const [health] = inherited('runtime', 'HEALTHCHECK')
    expect(health?.toString()).toContain('docker/healthcheck.mjs')
    expect(dockerfileText).not.toMatch(/curl|wget/)
    expect(stages().at(-1)?.name).toBe('runtime')
  })

  it('leaves compilers out of what is shipped', () => {
    const commands = inherited('runtime', 'RUN').map(String).join('\n')
    expect(commands).not.toMatch(/apt-get|g\+\+|cmake/)
  })
})

describe('server-packages.mjs', () => {
  it('names every optional package that the server imports', async () => {
    const imported = new Set<string>()
    const files = readdirSync(join(root, 'lib/apps/server'), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((name) => name.endsWith('.ts') && !/page.client/.test(name))) {
      for (const name of Object.keys(manifest.peerDependencies)) {
        // types are gone at run time
        const source = read(join('lib/apps/server', file)).replace(
          /import type [^;]*?'[^']+'/gs,
          '',
        )
        if (source.replace(/typeof import\([^)]*\)/g, '').includes(`'${name}'`)) imported.add(name)
      }
    }
    expect(imported).toContain('fastify')
    const printed = await run(process.execPath, ['docker/server-packages.mjs'])
    expect(printed.code).toBe(0)
    const { dependencies, devDependencies } = JSON.parse(printed.stdout) as Manifest
    for (const name of imported) {
      expect(dependencies).toHaveProperty([name], manifest.devDependencies[name])
      expect(devDependencies).not.toHaveProperty([name])
    }
    // and nothing of what the package needs anyway is lost
    expect(dependencies).toMatchObject(manifest.dependencies)
  })
})

describe('healthcheck.mjs', () => {
  const servers: (http.Server | https.Server)[] = []
  afterEach(() => {
    for (const server of servers.splice(0)) server.close()
  })

  function answering(status: number | undefined): Promise<number> {
    const server = http.createServer(({ url }, response) => {
      if (status === undefined) return // never
      response.writeHead(url === '/ready' ? status : 404).end('{}')
    })
    servers.push(server)
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
    })
  }

  const check = (port: number, certificate = '') =>
    run(process.execPath, ['docker/healthcheck.mjs'], {
      env: { ...process.env, BGE_M3_PORT: String(port), BGE_M3_TLS_CERT: certificate },
    })

  it('ends with 0 when the server is ready, and with 1 when it is not', async () => {
    expect(await check(await answering(200))).toMatchObject({ code: 0, stderr: '' })
    expect(await check(await answering(503))).toMatchObject({
      code: 1,
      stderr: 'not ready: status 503\n',
    })
  })

  it.skipIf(!has('openssl'))('speaks TLS when the server does', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bge-m3-health-'))
    const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
    const subject = ['-subj', '/CN=elsewhere', '-days', '1', '-nodes']
    const args = ['req', '-x509', '-newkey', 'rsa:2048', '-keyout', key, '-out', cert, ...subject]
    expect(spawnSync('openssl', args).status).toBe(0)
    const tls = { key: readFileSync(key), cert: readFileSync(cert) }
    const server = https.createServer(tls, (_, response) => response.end('{}'))
    servers.push(server)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = server.address() as AddressInfo
    expect(await check(port, cert)).toMatchObject({ code: 0 })
    expect(await check(port)).toMatchObject({ code: 1 })
    rmSync(directory, { recursive: true })
  })

  it('is content with a command that is no server, also behind an init', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bge-m3-health-'))
    const file = join(directory, 'cmdline')
    const asked = async (...words: string[]) => {
      writeFileSync(file, `${words.join('\0')}\0`)
      const env = { ...process.env, BGE_M3_PORT: '1' }
      return (await run(process.execPath, ['docker/healthcheck.mjs', file], { env })).code
    }
    expect(await asked('node', 'dist/cli/main.js', 'worker', 'jobs')).toBe(0)
    expect(await asked('/sbin/docker-init', '--', 'node', 'dist/cli/main.js', 'load')).toBe(0)
    expect(await asked('node', 'dist/cli/main.js', 'serve', '--port', '1')).toBe(1)
    expect(await asked('node', 'dist/cli/main.js')).toBe(1)
    rmSync(directory, { recursive: true })
  })

  it('asks a worker or loader at its metrics port, by flag or variable', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'bge-m3-health-'))
    const file = join(directory, 'cmdline')
    const asked = async (variable: string, ...words: string[]) => {
      writeFileSync(file, `node\0dist/cli/main.js\0${words.join('\0')}\0`)
      // the certificate is the server's, and no business of this port
      const env = { ...process.env, BGE_M3_METRICS_PORT: variable, BGE_M3_TLS_CERT: 'cert.pem' }
      return (await run(process.execPath, ['docker/healthcheck.mjs', file], { env })).code
    }
    const ready = String(await answering(200))
    const loading = String(await answering(503))
    expect(await asked(ready, 'worker', '--table', 'docs')).toBe(0)
    expect(await asked(loading, 'worker', '--table', 'docs')).toBe(1)
    expect(await asked(loading, 'load', 'postgres', '--metrics-port', ready)).toBe(0)
    expect(await asked('', 'load', 'postgres', `--metrics-port=${loading}`)).toBe(1)
    // these have no such port, whatever the environment says
    expect(await asked(loading, 'model', 'pull')).toBe(0)
    expect(await asked('', 'worker', '--table', 'docs')).toBe(0)
    rmSync(directory, { recursive: true })
  })

  it('ends with 1 when nobody listens, or nobody answers', async () => {
    const port = await answering(200)
    await new Promise((resolve) => servers.splice(0)[0]?.close(resolve))
    expect(await check(port)).toMatchObject({ code: 1 })
    const silent = await check(await answering(undefined))
    expect(silent).toMatchObject({ code: 1, stderr: 'not ready: no answer in 4 s\n' })
    for (const server of servers) server.closeAllConnections()
  })
})

describe('the workflow', () => {
  it('builds the image for both platforms, on a machine of each', () => {
    const { jobs } = readYaml('.github/workflows/image.yml') as {
      jobs: { build: { strategy: { matrix: { include: { platform: string; os: string }[] } } } }
    }
    const { include } = jobs.build.strategy.matrix
    expect(include.map(({ platform }) => platform)).toEqual(['linux/amd64', 'linux/arm64'])
    for (const { platform, os } of include) {
      expect(os.endsWith('-arm')).toBe(platform === 'linux/arm64')
    }
  })
})

// `bash -n` reads every RUN of the Dockerfile without running it
describe('RUN', () => {
  it('is shell that parses', async () => {
    const commands = stages().flatMap(({ instructions }) =>
      instructions.filter((line) => line.getKeyword() === 'RUN'),
    )
    expect(commands.length).toBeGreaterThan(3)
    for (const command of commands) {
      const text = command
        .toString()
        .replace(/^RUN\s+/, '')
        .replace(/^--mount\S+\s*(\\\n)?/, '')
      const code = await new Promise((resolve) => {
        spawn('bash', ['-n', '-c', text], { stdio: 'ignore' }).on('close', resolve)
      })
      expect(code, text).toBe(0)
    }
  })
})
