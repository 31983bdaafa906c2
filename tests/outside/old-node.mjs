// js-libp2p 3 wants Node 22; this is all of it that Node 20 lacks.
Promise.withResolvers ??= function () {
  let resolve, reject
  const promise = new this((yes, no) => { resolve = yes; reject = no })
  return { promise, resolve, reject }
}
