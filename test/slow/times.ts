/** `npm run test:long -- --times 10`: how many times as long, and as many, as test/slow usually goes. */
export const TIMES = Number(process.env.BGE_M3_TEST_TIMES || 1)
