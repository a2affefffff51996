// What a test asks for, done by tus-js-client as it comes: `node uploads.mjs STEP '{"endpoint": …}'`; writes one line of JSON.
import fs from 'node:fs'
import { PassThrough } from 'node:stream'
import * as tus from 'tus-js-client'

const [step, given] = process.argv.slice(2)
const { endpoint, file, headers, metadata, storage, stream, ...options } = JSON.parse(given)
const events = { retried: 0, chunks: 0 }

function say(outcome) {
  fs.writeSync(1, JSON.stringify({ ...outcome, ...events }) + '\n')
}

function made(more) {
  return new Promise((resolve) => {
    // Piped on, it is no file to the client any more, but something whose length nobody knows.
    const source = stream ? fs.createReadStream(file).pipe(new PassThrough()) : fs.createReadStream(file)
    const upload = new tus.Upload(source, {
      endpoint,
      headers,
      metadata,
      retryDelays: [0, 500, 1000, 2000, 3000, 5000],
      urlStorage: storage ? new tus.FileUrlStorage(storage) : null,
      storeFingerprintForResuming: Boolean(storage),
      onShouldRetry(error) {
        const status = error.originalResponse ? error.originalResponse.getStatus() : 0
        const again = status < 400 || status >= 500 || status === 409 || status === 423
        if (again) events.retried += 1
        return again
      },
      onChunkComplete: () => { events.chunks += 1 },
      onSuccess: () => resolve({ url: upload.url }),
      onError: (error) => resolve({
        error: error.originalResponse ? error.originalResponse.getStatus() : String(error),
        body: error.originalResponse ? error.originalResponse.getBody() : null,
      }),
      ...options,
      ...more(resolve, () => upload),
    })
    if (step === 'resume') {
      upload.findPreviousUploads().then((found) => {
        events.found = found.length
        upload.resumeFromPreviousUpload(found[0])
        upload.start()
      })
    } else {
      upload.start()
    }
  })
}

if (step === 'pause') {
  // Away after the second chunk, as a page that is closed.
  say(await made((resolve, upload) => ({
    onChunkComplete: () => {
      events.chunks += 1
      if (events.chunks === 2) upload().abort().then(() => resolve({ url: upload().url }))
    },
  })))
} else if (step === 'terminate') {
  say(await made((resolve, upload) => ({
    onChunkComplete: () => { upload().abort(true).then(() => resolve({ url: upload().url }), (error) => resolve({ error: String(error) })) },
  })))
} else {
  say(await made(() => ({})))
}
process.exit(0)
