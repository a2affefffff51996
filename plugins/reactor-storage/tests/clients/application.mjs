// A day of an application with @supabase/storage-js, unchanged but for its URL and headers. Prints what each call said.
import { createReadStream, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { StorageClient } from '@supabase/storage-js'

const [url, token] = process.argv.slice(2)
const storage = new StorageClient(url, { Authorization: `Bearer ${token}` })
const anonymous = new StorageClient(url, {})
const files = storage.from('avatars')
const found = {}
const failed = (error) => ({ name: error.name, message: error.message, status: error.status, statusCode: error.statusCode, code: error.code })

async function step(name, call, shape = (data) => data) {
  try {
    const answer = await call()
    found[name] = answer.error ? failed(answer.error) : await shape(answer.data)
  } catch (error) {
    found[name] = { thrown: String(error) }
  }
}
const text = (blob) => blob.text()
const names = (rows) => rows.map((row) => row.name)
const fetched = async (address, options) => {
  const answer = await fetch(address, options)
  return { status: answer.status, body: answer.ok ? await answer.text() : null, as: answer.headers.get('content-disposition') }
}

await step('create bucket', () => storage.createBucket('avatars', { public: false, fileSizeLimit: '1MB', allowedMimeTypes: ['image/*', 'text/*'] }), (data) => data.name)
await step('create bucket again', () => storage.createBucket('avatars'))
await step('get bucket', () => storage.getBucket('avatars'), ({ name, public: open, file_size_limit, allowed_mime_types }) => ({ name, open, file_size_limit, allowed_mime_types }))
await step('second bucket', () => storage.createBucket('second', { public: true }), (data) => data.name)
await step('list buckets', () => storage.listBuckets(), names)
await step('list buckets by page', () => storage.listBuckets({ limit: 1, offset: 1, sortColumn: 'name', sortOrder: 'asc' }), names)
await step('list buckets by search', () => storage.listBuckets({ search: 'SEC' }), names)
await step('update bucket', () => storage.updateBucket('avatars', { public: false, fileSizeLimit: 2000, allowedMimeTypes: null }), (data) => data.message)
await step('updated bucket', () => storage.getBucket('avatars'), ({ file_size_limit, allowed_mime_types }) => ({ file_size_limit, allowed_mime_types }))

await step('upload buffer', () => files.upload('people/ann.txt', Buffer.from('ann'), { contentType: 'text/plain', cacheControl: '60', metadata: { a: 1 } }), ({ path, fullPath }) => ({ path, fullPath }))
await step('upload again', () => files.upload('people/ann.txt', Buffer.from('again'), { contentType: 'text/plain' }))
await step('upsert', () => files.upload('people/ann.txt', Buffer.from('ann 2'), { contentType: 'text/plain', upsert: true, metadata: { a: 2 } }), ({ path }) => path)
await step('upload blob', () => files.upload('people/bob.svg', new Blob(['<svg/>'], { type: 'image/svg+xml' }), { metadata: { b: 'ü' }, cacheControl: '90' }), ({ path }) => path)
const form = new FormData()
form.append('file', new Blob(['cyd'], { type: 'text/csv' }), 'cyd.csv')
await step('upload form', () => files.upload('people/cyd.csv', form), ({ path }) => path)
await step('upload array buffer', () => files.upload('top.bin', new Uint8Array([1, 2, 3]).buffer, { contentType: 'application/x-three' }), ({ path }) => path)
await step('upload string', () => files.upload('ü name.txt', 'text', { contentType: 'text/plain' }), ({ path }) => path)
writeFileSync('streamed.txt', 'streamed')
await step('upload stream', () => files.upload('streamed.txt', createReadStream('streamed.txt'), { contentType: 'text/plain' }), ({ path }) => path)
await step('upload too large', () => files.upload('large.txt', Buffer.alloc(2001), { contentType: 'text/plain' }))
for (const [name, body] of [['blob', new Blob([gzipSync('packed')], { type: 'text/plain' })], ['buffer', gzipSync('packed')]]) {
  await step(`upload packed ${name}`, () => files.upload(`packed/${name}`, body, { contentEncoding: 'gzip', contentType: 'text/plain' }), ({ path }) => path)
  await step(`download packed ${name}`, () => files.download(`packed/${name}`), text)
}
await step('update', () => files.update('top.bin', Buffer.from('four'), { contentType: 'text/plain', metadata: { c: 3 } }), ({ path, fullPath }) => ({ path, fullPath }))

await step('download', () => files.download('people/ann.txt'), text)
await step('download as blob', () => files.download('people/bob.svg'), (blob) => blob.type)
await step('download as stream', () => files.download('ü name.txt').asStream(), async (stream) => new Response(stream).text())
await step('download nothing', () => files.download('people/none.txt'))
await step('info', () => files.info('people/ann.txt'), ({ name, size, contentType, cacheControl, metadata, bucketId, etag }) => ({ name, size, contentType, cacheControl, metadata, bucket: typeof bucketId, etag: etag.length }))
await step('info of a blob', () => files.info('people/bob.svg'), ({ contentType, cacheControl, metadata }) => ({ contentType, cacheControl, metadata }))
await step('info of a form', () => files.info('people/cyd.csv'), ({ contentType, cacheControl }) => ({ contentType, cacheControl }))
await step('info of nothing', () => files.info('none'))
found['exists'] = await files.exists('people/ann.txt')
found['exists not'] = (({ data, error }) => ({ data, status: error.status }))(await files.exists('none'))
await step('exists without a bucket', () => storage.from('none').exists('x'))

await step('list', () => files.list(), (rows) => rows.map((row) => [row.name, row.id === null]))
await step('list folder', () => files.list('people', { limit: 2, offset: 1, sortBy: { column: 'name', order: 'desc' } }), names)
await step('list search', () => files.list('people', { search: 'AN' }), (rows) => rows.map((row) => [row.name, row.metadata.mimetype, row.metadata.size]))
await step('list v2', () => files.listV2({ prefix: 'people/', limit: 2 }), ({ hasNext, objects, nextCursor }) => ({ hasNext, objects: names(objects), more: typeof nextCursor }))
await step('list v2 folders', () => files.listV2({ with_delimiter: true }), ({ hasNext, folders, objects }) => ({ hasNext, folders: names(folders), objects: names(objects) }))
const page = await files.listV2({ prefix: 'people/', limit: 2 })
await step('list v2 next', () => files.listV2({ prefix: 'people/', cursor: page.data.nextCursor }), ({ hasNext, objects }) => ({ hasNext, objects: names(objects) }))
await step('list v2 sorted', () => files.listV2({ prefix: 'people/', sortBy: { column: 'created_at', order: 'desc' } }), ({ objects }) => names(objects))

await step('copy', () => files.copy('people/ann.txt', 'copy.txt'), ({ path }) => path)
await step('copy onto', () => files.copy('people/ann.txt', 'copy.txt'))
await step('copy across', () => files.copy('people/ann.txt', 'ann.txt', { destinationBucket: 'second' }), ({ path }) => path)
await step('copy nothing', () => files.copy('none', 'x'))
await step('move', () => files.move('copy.txt', 'moved.txt'), ({ message }) => message)
await step('move across', () => files.move('moved.txt', 'moved.txt', { destinationBucket: 'second' }), ({ message }) => message)
await step('moved', () => storage.from('second').download('moved.txt'), text)

await step('sign', () => files.createSignedUrl('people/ann.txt', 60, { download: 'a b.txt' }), ({ signedUrl }) => fetched(signedUrl))
await step('sign unicode', () => files.createSignedUrl('ü name.txt', 60), ({ signedUrl }) => fetched(signedUrl))
await files.upload('50% ä&=+.txt', Buffer.from('odd'), { contentType: 'text/plain' })
await step('sign odd', () => files.createSignedUrl('50% ä&=+.txt', 60), ({ signedUrl }) => fetched(signedUrl))
await step('sign nothing', () => files.createSignedUrl('none', 60))
await step('sign many', () => files.createSignedUrls(['people/ann.txt', 'none'], 60), (rows) => Promise.all(rows.map(async ({ path, error, signedUrl }) => ({ path, error, answer: signedUrl && (await fetched(signedUrl)).body }))))
const upload = (await files.createSignedUploadUrl('by-link.txt')).data
found['signed upload'] = { path: upload.path, token: upload.token.length > 40 }
const linked = anonymous.from('avatars')
await step('upload by link', () => linked.uploadToSignedUrl(upload.path, upload.token, new Blob(['linked'], { type: 'text/plain' })), ({ path, fullPath }) => ({ path, fullPath }))
await step('upload by link again', () => linked.uploadToSignedUrl(upload.path, upload.token, Buffer.from('x'), { contentType: 'text/plain' }))
const replace = (await files.createSignedUploadUrl('by-link.txt', { upsert: true })).data
await step('replace by link', () => linked.uploadToSignedUrl(replace.path, replace.token, Buffer.from('replaced'), { contentType: 'text/plain' }), ({ path }) => path)
await step('upload by a false link', () => linked.uploadToSignedUrl('other.txt', replace.token, Buffer.from('x')))
found['public url'] = await fetched(storage.from('second').getPublicUrl('ann.txt', { download: true }).data.publicUrl)
found['private url'] = await fetched(files.getPublicUrl('people/ann.txt').data.publicUrl)

await step('remove', () => files.remove(['people/ann.txt', 'none']), names)
await step('delete full bucket', () => storage.deleteBucket('avatars'))
await step('empty bucket', () => storage.emptyBucket('avatars'), ({ message }) => message)
await step('empty list', () => files.list())
await step('delete bucket', () => storage.deleteBucket('avatars'), ({ message }) => message)
await step('no bucket', () => storage.getBucket('avatars'))
await step('upload without a bucket', () => files.upload('x', Buffer.from('x')))
await step('anonymous', () => anonymous.listBuckets())
await step('bad name', () => storage.createBucket('Not A Name'))
console.log(JSON.stringify(found))
