// SPDX-License-Identifier: MIT
// What theirs_native.c measures, through node-llama-cpp as its users call it: the same model,
// threads, batches, KV type and token ids. Decoding pays for one JavaScript loop turn, one native
// call and the library's own bookkeeping per token. The package makes a pool of threads for each
// evaluation; it offers no way to attach one that stays.
//
// usage: node theirs_node.mjs PACKAGE_DIR MODEL THREADS PROMPT DECODE ROUNDS on|off
import {createRequire} from "node:module";
import path from "node:path";
import {pathToFileURL} from "node:url";

const PHYSICAL_BATCH = 512;
const WARM_UP_TOKENS = 128;

const [packageDir, modelPath, ...rest] = process.argv.slice(2);
const [threads, nPrompt, nDecode, nRounds] = rest.slice(0, 4).map(Number);
const flashAttention = rest[4] === "on";

if (rest.length !== 5 || ![threads, nPrompt, nDecode, nRounds].every((n) => Number.isInteger(n) && n > 0)) {
    console.error("usage: node theirs_node.mjs PACKAGE_DIR MODEL THREADS PROMPT DECODE ROUNDS on|off");
    process.exit(2);
}

const require = createRequire(path.join(packageDir, "package.json"));
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(require.resolve("node-llama-cpp")).href);

const seconds = () => Number(process.hrtime.bigint()) / 1e9;

function median(values) {
    const sorted = values.toSorted((a, b) => a - b);
    const half = sorted.length >> 1;

    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// Never compile or download: the prebuilt library or nothing.
const llama = await getLlama({
    gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error,
    maxThreads: threads
});
const start = seconds();
const model = await llama.loadModel({modelPath, gpuLayers: 0, ignoreMemorySafetyChecks: true});
const loadS = seconds() - start;
const context = await model.createContext({
    contextSize: nPrompt + nDecode, batchSize: Math.max(nPrompt, PHYSICAL_BATCH), threads: {ideal: threads, min: threads},
    flashAttention, sequences: 1, ignoreMemorySafetyChecks: true, failedCreationRemedy: false
});
const sequence = context.getSequence();
const nVocab = model.fileInfo.metadata.llama.vocab_size;
const tokenAt = (position) => position * 7919 % nVocab;
const prompt = Array.from({length: nPrompt}, (_, i) => tokenAt(i));

// Evaluates the tokens and samples once behind the last one, greedily: the library computes
// logits only where it is to generate.
async function evaluate(tokens) {
    for await (const _ of sequence.evaluate(tokens, {temperature: 0}))
        return;
    throw new Error("node-llama-cpp ended the sequence without evaluating it");
}

// Forced ids, one by one. A generator that is sent back a token evaluates that one instead of
// the token it sampled, so the loop stays inside one evaluate() call.
async function decode(n) {
    const tokens = sequence.evaluate([tokenAt(nPrompt)], {temperature: 0});
    let turn = await tokens.next();

    for (let i = 1; i < n && !turn.done; i++)
        turn = await tokens.next(tokenAt(nPrompt + i));
    if (turn.done)
        throw new Error("node-llama-cpp ended the sequence early");
    await tokens.return();
}

const prefill = [];
const decoding = [];

await evaluate(prompt.slice(0, WARM_UP_TOKENS));
for (let round = 0; round < nRounds; round++) {
    await sequence.clearHistory();
    const t0 = seconds();
    await evaluate(prompt);
    const t1 = seconds();
    await decode(nDecode);
    const t2 = seconds();

    if (sequence.nextTokenIndex !== nPrompt + nDecode)
        throw new Error(`evaluated ${sequence.nextTokenIndex} tokens instead of ${nPrompt + nDecode}`);
    prefill.push(nPrompt / (t1 - t0));
    decoding.push(nDecode / (t2 - t1));
}
console.log(JSON.stringify({
    version: llama.llamaCppRelease.release, "flash_attention": context.flashAttention, "n_threads": context.currentThreads || threads,
    "n_prompt": nPrompt, "n_decode": nDecode, rounds: nRounds, "prefill_tok_s": median(prefill),
    "decode_tok_s": median(decoding), "load_s": loadS, "peak_rss_bytes": process.resourceUsage().maxRSS * 1024
}, null, 2));
await llama.dispose();
