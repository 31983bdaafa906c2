/*!
Made by web/build.mjs from web/verify.js: do not edit. It contains:

@noble/curves 2.4.0

The MIT License (MIT)

Copyright (c) 2022 Paul Miller (https://paulmillr.com)

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the “Software”), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED “AS IS”, WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.

@noble/hashes 2.4.0

The MIT License (MIT)

Copyright (c) 2022 Paul Miller (https://paulmillr.com)

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the “Software”), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in
all copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED “AS IS”, WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN
THE SOFTWARE.
*/
var he=BigInt(4294967295),vn=BigInt(32);function oo(n,t=!1){return t?{h:Number(n&he),l:Number(n>>vn&he)}:{h:Number(n>>vn&he)|0,l:Number(n&he)|0}}function Rn(n,t=!1){
let e=n.length,r=new Uint32Array(e),o=new Uint32Array(e);for(let s=0;s<e;s++){let{h:c,l:i}=oo(n[s],t);[r[s],o[s]]=[c,i]}return[r,o]}var so=n=>n/2**32|0,co=n=>n>>>0;function Fn(n,t,e,r){let o=so(e),s=co(e);n.setUint32(t,r?s:o,r),n.setUint32(t+4,r?o:s,r)}function be(n){return n instanceof Uint8Array||ArrayBuffer.isView(n)&&n.constructor.name==="Uint8Array"&&"BYTES_PER_ELEMENT"in n&&n.BYTES_PER_ELEMENT===1}var pe=n=>n?
`"${n}" `:"";function ct(n,t=""){if(typeof n!="number")throw new TypeError(pe(t)+"expected number, got "+typeof n);if(!Number.isSafeInteger(n)||n<0)throw new RangeError(
pe(t)+"expected integer >= 0, got "+n);return n}function Nn(n,t=""){if(typeof n!="boolean")throw new TypeError(pe(t)+"expected boolean, got type="+typeof n);return n}
function dt(n,t,e=""){if(be(n)&&(t===void 0||n.length===t))return n;t!==void 0&&ct(t,"length");let r=be(n),o=t!==void 0?` of length ${t}`:"",s=r?`length=${n.length}`:
`type=${typeof n}`,c=pe(e)+"expected Uint8Array"+o+", got "+s;throw r?new RangeError(c):new TypeError(c)}var io=(n,t)=>{if(n===null||typeof n!="object"||Array.isArray(n))throw new TypeError((t==="object"?"":`"${t}" `)+"expected object, got type="+typeof n)},Tn=(n,t)=>{
io(n,t);let e=Object.getPrototypeOf(n);if(e!==Object.prototype&&e!==null)throw new TypeError(`"${t}" expected plain object`);if(Object.hasOwn(n,"__proto__"))throw new TypeError(
`"${t}.__proto__" is not allowed`)};function zt(n,t=!0){if(n.destroyed)throw new Error("hash was destroyed");if(t&&n.finished)throw new Error("digest() was alre\
ady called")}function me(n,t){dt(n,void 0,"output");let e=t.outputLen;if(!(n.length>=e))throw new RangeError('"output" expected length >= '+e)}function He(n){return new Uint32Array(n.buffer,n.byteOffset,Math.floor(n.byteLength/4))}function Mt(...n){for(let t=0;t<n.length;t++)n[t].fill(0)}function xe(n){
return new DataView(n.buffer,n.byteOffset,n.byteLength)}function ut(n,t){return n<<32-t|n>>>t}var ao=new Uint8Array(new Uint32Array([287454020]).buffer)[0]===68;function fo(n){return n<<24&4278190080|n<<8&16711680|n>>>8&65280|n>>>24&255}function uo(n){for(let t=0;t<n.length;t++)n[t]=fo(n[t]);return n}var ze=ao?n=>n:uo,An=typeof Uint8Array.from([]).toHex=="function"&&typeof Uint8Array.fromHex=="\
function",lo=Array.from({length:256},(n,t)=>t.toString(16).padStart(2,"0"));function ge(n){if(dt(n),An)return n.toHex();let t="";for(let e=0;e<n.length;e++)t+=lo[n[e]];
return t}function In(n){return n>=48&&n<=57?n-48:n>=65&&n<=70?n-55:n>=97&&n<=102?n-87:void 0}function Me(n){if(typeof n!="string")throw new TypeError("hex strin\
g expected, got "+typeof n);if(An)try{return Uint8Array.fromHex(n)}catch(o){throw o instanceof SyntaxError?new RangeError(o.message):o}let t=n.length,e=t/2;if(t%
2)throw new RangeError("hex string expected, got unpadded hex of length "+t);let r=new Uint8Array(e);for(let o=0,s=0;o<e;o++,s+=2){let c=In(n.charCodeAt(s)),i=In(
n.charCodeAt(s+1));if(c===void 0||i===void 0){let a=n[s]+n[s+1];throw new RangeError('hex string expected, got non-hex character "'+a+'" at index '+s)}r[o]=c*16+
i}return r}function Ln(...n){let t=0;for(let r=0;r<n.length;r++){let o=n[r];dt(o),t+=o.length}let e=new Uint8Array(t);for(let r=0,o=0;r<n.length;r++){let s=n[r];e.set(s,o),
o+=s.length}return e}function jn(n,t,e="opts"){return Tn(n,"defaults"),t!==void 0&&Tn(t,e),Object.assign(Object.create(null),n,t)}function ye(n,t={}){if(typeof n!="function")throw new TypeError(
'"hashCons" expected function, got type='+typeof n);t=jn({},t,"info");let e=(o,s)=>n(s).update(o).digest(),r=n(void 0);return e.outputLen=r.outputLen,e.blockLen=
r.blockLen,e.canXOF=r.canXOF,e.create=o=>n(o),Object.assign(e,t),Object.freeze(e)}function qn(n=32){ct(n,"bytesLength");let t=typeof globalThis=="object"?globalThis.
crypto:null;if(typeof t?.getRandomValues!="function")throw new Error("crypto.getRandomValues must be defined");if(n>65536)throw new RangeError(`"bytesLength" ex\
pected <= 65536, got ${n}`);return t.getRandomValues(new Uint8Array(n))}var Ze=n=>({oid:Uint8Array.from([6,9,96,134,72,1,101,3,4,2,n])});function Dn(n,t,e){return n&t^~n&e}function Un(n,t,e){return n&t^n&e^t&e}var we=class{blockLen;outputLen;canXOF=!1;padOffset;isLE;buffer;view;finished=!1;length=0;pos=0;destroyed=!1;constructor(t,e,r,o){
this.blockLen=t,this.outputLen=e,this.padOffset=r,this.isLE=o,this.buffer=new Uint8Array(t),this.view=xe(this.buffer)}update(t){zt(this),dt(t);let{view:e,buffer:r,
blockLen:o}=this,s=t.length,c=!1;for(let i=0;i<s;){let a=Math.min(o-this.pos,s-i);if(a===o){let f=xe(t);for(;o<=s-i;i+=o)this.process(f,i);c=!0;continue}r.set(i===
0&&a===s?t:t.subarray(i,i+a),this.pos),this.pos+=a,i+=a,this.pos===o&&(this.process(e,0),this.pos=0,c=!0)}return this.length+=t.length,c&&this.roundClean(),this}digestInto(t){
zt(this),me(t,this),this.finished=!0;let{buffer:e,view:r,blockLen:o,isLE:s}=this,{pos:c}=this;e[c++]=128,e.fill(0,c),this.padOffset>o-c&&(this.process(r,0),e.fill(
0)),Fn(r,o-8,this.length*8,s),this.process(r,0),this.roundClean();let i=t===e?r:xe(t),a=this.outputLen,f=a/4,d=this.get();if(a%4||f>d.length)throw new Error("in\
valid outputLen");for(let u=0;u<f;u++)i.setUint32(4*u,d[u],s)}digest(){let{buffer:t,outputLen:e}=this;this.digestInto(t);let r=t.slice(0,e);return this.destroy(),
r}_cloneIntoMeta(t){let{buffer:e,length:r,finished:o,destroyed:s,pos:c}=this;return t.destroyed=s,t.finished=o,t.length=r,t.pos=c,c&&t.buffer.set(e),t}clone(){return this.
_cloneInto()}},kn=Uint32Array.from([1779033703,3144134277,1013904242,2773480762,1359893119,2600822924,528734635,1541459225]);var ho=Uint32Array.from([1116352408,1899447441,3049323471,3921009573,961987163,1508970993,2453635748,2870763221,3624381080,310598401,607225278,1426881987,1925078388,
2162078206,2614888103,3248222580,3835390401,4022224774,264347078,604807628,770255983,1249150122,1555081692,1996064986,2554220882,2821834349,2952996808,3210313671,
3336571891,3584528711,113926993,338241895,666307205,773529912,1294757372,1396182291,1695183700,1986661051,2177026350,2456956037,2730485921,2820302411,3259730800,
3345764771,3516065817,3600352804,4094571909,275423344,430227734,506948616,659060556,883997877,958139571,1322822218,1537002063,1747873779,1955562222,2024104815,2227730452,
2361852424,2428436474,2756734187,3204031479,3329325298]),xt=new Uint32Array(64),Ge=class extends we{A=0;B=0;C=0;D=0;E=0;F=0;G=0;H=0;constructor(t,e){super(64,t,
8,!1),this.A=e[0]|0,this.B=e[1]|0,this.C=e[2]|0,this.D=e[3]|0,this.E=e[4]|0,this.F=e[5]|0,this.G=e[6]|0,this.H=e[7]|0}get(){let{A:t,B:e,C:r,D:o,E:s,F:c,G:i,H:a}=this;
return[t,e,r,o,s,c,i,a]}set(t,e,r,o,s,c,i,a){this.A=t|0,this.B=e|0,this.C=r|0,this.D=o|0,this.E=s|0,this.F=c|0,this.G=i|0,this.H=a|0}_cloneInto(t){return(t||=new this.
constructor).set(...this.get()),this._cloneIntoMeta(t)}process(t,e){for(let u=0;u<16;u++,e+=4)xt[u]=t.getUint32(e,!1);for(let u=16;u<64;u++){let m=xt[u-15],h=xt[u-
2],p=ut(m,7)^ut(m,18)^m>>>3,x=ut(h,17)^ut(h,19)^h>>>10;xt[u]=x+xt[u-7]+p+xt[u-16]|0}let{A:r,B:o,C:s,D:c,E:i,F:a,G:f,H:d}=this;for(let u=0;u<64;u++){let m=ut(i,6)^
ut(i,11)^ut(i,25),h=d+m+Dn(i,a,f)+ho[u]+xt[u]|0,x=(ut(r,2)^ut(r,13)^ut(r,22))+Un(r,o,s)|0;d=f,f=a,a=i,i=c+h|0,c=s,s=o,o=r,r=h+x|0}r=r+this.A|0,o=o+this.B|0,s=s+
this.C|0,c=c+this.D|0,i=i+this.E|0,a=a+this.F|0,f=f+this.G|0,d=d+this.H|0,this.set(r,o,s,c,i,a,f,d)}roundClean(){Mt(xt)}destroy(){this.destroyed=!0,this.set(0,0,
0,0,0,0,0,0),Mt(this.buffer)}},Ye=class extends Ge{constructor(){super(32,kn)}};var Cn=ye(()=>new Ye,Ze(1));function it(n,t,e=()=>{}){if(!Array.isArray(n))throw new TypeError(`"${t}" expected array, got type=${typeof n}`);for(let r=0;r<n.length;r++)e(n[r],`${t}[${r}]`);
return n}var M=(n,t,e)=>dt(n,t,e),Ve=ct;function gt(n,t="object"){if(n===null||typeof n!="object"||Array.isArray(n))throw new TypeError(t==="object"?"expected valid options object":`"${t}" expected ob\
ject, got type=${typeof n}`);return n}function Lt(n,t){if(typeof n!="function")throw new TypeError(`"${t}" is invalid: expected function, got ${typeof n}`);return n}
var se=ge,Q=(...n)=>Ln(...n),ce=n=>Me(n),wt=be,Zt=n=>qn(n),Ee=BigInt(0),$e=BigInt(1),bo=n=>n?`"${n}" `:"";function Et(n,t=""){if(typeof n!="boolean")throw new TypeError(
bo(t)+"expected boolean, got type="+typeof n);return n}function po(n){if(typeof n=="bigint"){if(!yt(n))throw new RangeError("positive bigint expected, got "+n)}else
Ve(n);return n}function Y(n,t=""){if(typeof n!="number"){let e=t&&`"${t}" `;throw new TypeError(e+"expected number, got type="+typeof n)}if(!Number.isSafeInteger(
n)){let e=t&&`"${t}" `;throw new RangeError(e+"expected safe integer, got "+n)}}function Hn(n){if(typeof n!="string")throw new TypeError("hex string expected, got "+typeof n);return n===""?Ee:BigInt("0x"+n)}function Bt(n){return Hn(ge(n))}function Xe(n){
return Hn(ge(Gt(dt(n)).reverse()))}function Ot(n,t){if(ct(t),t===0)throw new Error("zero output length is invalid");n=po(n);let e=t*2,r=n.toString(16);if(r.length>
e)throw new RangeError("number is too large");return Me(r.padStart(e,"0"))}function Pe(n,t){return Ot(n,t).reverse()}function Gt(n){return Uint8Array.from(M(n))}function Be(n){if(typeof n!="string")throw new TypeError("ascii string expected, got "+typeof n);return Uint8Array.from(
n,(t,e)=>{let r=t.charCodeAt(0);if(t.length!==1||r>127)throw new RangeError(`string contains non-ASCII character "${n[e]}" with code ${r} at position ${e}`);return r})}
function yt(n){return typeof n=="bigint"&&Ee<=n}function We(n,t,e){return yt(n)&&yt(t)&&yt(e)&&t<=n&&n<e}function Oe(n,t,e,r){if(!We(t,e,r))throw new RangeError(
"expected valid "+n+": "+e+" <= n < "+r+", got "+t)}function at(n){if(n<Ee)throw new Error("expected non-negative bigint, got "+n);return n===Ee?0:n.toString(2).
length}function zn(n,t){if(typeof n!="bigint")throw new TypeError('"n" expected bigint, got type='+typeof n);return Y(t,"pos"),n>>BigInt(t)&$e}var Se=n=>(Y(n,"n"),($e<<BigInt(n))-$e);function J(n,t={},e={},r="object"){gt(n,r),gt(t,"fields"),gt(e,"optFields");function o(c,i,a){let f=r==="object"?`param "${String(c)}"`:`"${r}.${String(c)}"`,d=n[c];
if(!Object.hasOwn(n,c)&&(a?d!==void 0:i!=="function"))throw new TypeError(`${f} is invalid: expected own property`);if(a&&d===void 0)return;let u=typeof d;if(u!==
i||d===null)throw new TypeError(`${f} is invalid: expected ${i}, got ${u}`)}let s=(c,i)=>Object.entries(c).forEach(([a,f])=>o(a,f,i));s(t,!1),s(e,!0)}var lt=()=>{
throw new Error("not implemented")};var V=BigInt(0),U=BigInt(1),jt=BigInt(2),Gn=BigInt(3),ve=BigInt(4),Yn=BigInt(5),mo=BigInt(7),$n=BigInt(8),xo=BigInt(9),Vn=BigInt(15),Xn=BigInt(16),Pn=BigInt("0x\
10000000000000000");function rt(n,t){if(t<=V)throw new Error("mod: expected positive modulus, got "+t);let e=n%t;return e>=V?e:t+e}function go(n,t,e){if(e<=U)throw new Error(
"pow: expected modulus > 1, got "+e);if(typeof t!="bigint")throw new TypeError("invalid exponent: expected bigint, got "+typeof t);if(t<V)throw new Error("inval\
id exponent, negatives unsupported");if(t===V)return U;if(t===U)return n;let r=n%e;if(r<V&&(r+=e),t<Pn){let i=U;for(;t>V;)t&U&&(i=i*r%e),r=r*r%e,t>>=U;return i}
let o=[];for(;t>V;)o.push(Number(t&Vn)),t>>=ve;let s=new Array(16);s[0]=U,s[1]=r;for(let i=2;i<16;i++)s[i]=s[i-1]*r%e;let c=s[o[o.length-1]];for(let i=o.length-
2;i>=0;i--){c=c*c%e,c=c*c%e,c=c*c%e,c=c*c%e;let a=o[i];a!==0&&(c=c*s[a]%e)}return c}function Mn(n,t){if(n===V)throw new Error("invert: expected non-zero number");if(t<=U)throw new Error("invert: expected modulus > 1, got "+t);let e=rt(n,t),r=t,
o=V,s=U;for(;e!==V;){let i=r/e,a=r-e*i,f=o-s*i;r=e,e=a,o=s,s=f}if(r!==U)throw new Error("invert: does not exist");return rt(o,t)}function Ke(n,t,e){let r=n;if(!r.eql(r.sqr(t),e))throw new Error("Cannot find square root")}function Qe(n,t){if((n&U)===V)throw new Error(t+": expected odd modu\
lus, got "+n)}function Wn(n,t){let e=n,r=(e.ORDER+U)/ve,o=e.pow(t,r);return Ke(e,o,t),o}function yo(n,t){let e=n,r=(e.ORDER-Yn)/$n,o=e.mul(t,jt),s=e.pow(o,r),c=e.
mul(t,s),i=e.mul(e.mul(c,jt),s),a=e.mul(c,e.sub(i,e.ONE));return Ke(e,a,t),a}function wo(n){let t=St(n),e=Kn(n),r=e(t,t.neg(t.ONE)),o=e(t,r),s=e(t,t.neg(r)),c=(n+
mo)/Xn;return((i,a)=>{let f=i,d=f.pow(a,c),u=f.mul(d,r),m=f.mul(d,o),h=f.mul(d,s),p=f.eql(f.sqr(u),a),x=f.eql(f.sqr(m),a);d=f.cmov(d,u,p),u=f.cmov(h,m,x);let l=f.
eql(f.sqr(u),a),w=f.cmov(d,u,l);return Ke(f,w,a),w})}function Kn(n){if(n<Gn)throw new Error("sqrt is not defined for small field");Qe(n,"tonelliShanks");let t=n-
U,e=0;for(;t%jt===V;)t/=jt,e++;let r=jt,o=St(n);for(;Yt(o,r)===1;)if(r++>1e3)throw new Error("Cannot find square root: probably non-prime P");if(e===1)return Wn;
let s=o.pow(r,t),c=(t+U)/jt;return function(a,f){let d=a;if(d.is0(f))return f;if(Yt(d,f)!==1)throw new Error("Cannot find square root");let u=e,m=d.mul(d.ONE,s),
h=d.pow(f,t),p=d.pow(f,c);for(;!d.eql(h,d.ONE);){if(d.is0(h))throw new Error("Cannot find square root: probably non-prime P");let x=1,l=d.sqr(h);for(;!d.eql(l,d.
ONE);)if(x++,l=d.sqr(l),x===u)throw new Error("Cannot find square root");let w=U<<BigInt(u-x-1),R=d.pow(m,w);u=x,m=d.sqr(R),h=d.mul(h,m),p=d.mul(p,R)}return p}}
function Eo(n){return Qe(n,"Fp.sqrt"),n%ve===Gn?Wn:n%$n===Yn?yo:n%Xn===xo?wo(n):Kn(n)}var Bo=["create","isValid","is0","neg","inv","sqrt","sqr","eql","add","sub","mul","pow","div","addN","subN","mulN","sqrN"];function nt(n){if(gt(n,"field"),typeof n.
ORDER!="bigint")throw new TypeError('param "ORDER" is invalid: expected bigint, got '+typeof n.ORDER);Y(n.BYTES,"BYTES"),Y(n.BITS,"BITS");for(let t of Bo)Lt(n[t],
"field."+t);if(n.BYTES<1||n.BITS<1)throw new Error("invalid field: expected BYTES/BITS > 0");if(n.ORDER<=U)throw new Error("invalid field: expected ORDER > 1, g\
ot "+n.ORDER);return n}function Re(n,t,e){nt(n);let r=n;if(typeof e!="bigint")throw new TypeError("invalid exponent: expected bigint, got "+typeof e);if(e<V)throw new Error(
"invalid exponent, negatives unsupported");if(e===V)return r.ONE;if(e===U)return t;if(e<Pn){let i=r.ONE,a=t;for(;e>V;)e&U&&(i=r.mul(i,a)),a=r.sqr(a),e>>=U;return i}
let o=[];for(;e>V;)o.push(Number(e&Vn)),e>>=ve;let s=new Array(16);s[0]=r.ONE,s[1]=t;for(let i=2;i<16;i++)s[i]=r.mul(s[i-1],t);let c=s[o[o.length-1]];for(let i=o.
length-2;i>=0;i--){c=r.sqr(r.sqr(r.sqr(r.sqr(c))));let a=o[i];a!==0&&(c=r.mul(c,s[a]))}return c}function ht(n,t,e=!1){nt(n),it(t,"nums"),Et(e,"passZero");let r=n,
o=new Array(t.length).fill(e?r.ZERO:void 0),s=t.reduce((i,a,f)=>r.is0(a)?i:(o[f]=i,r.mul(i,a)),r.ONE),c=r.inv(s);return t.reduceRight((i,a,f)=>r.is0(a)?i:(o[f]=
r.mul(i,o[f]),r.mul(i,a)),c),o}function Yt(n,t){nt(n);let e=n;Qe(e.ORDER,"FpLegendre");let r=(e.ORDER-U)/jt,o=e.pow(t,r),s=e.eql(o,e.ONE),c=e.eql(o,e.ZERO),i=e.eql(o,e.neg(e.ONE));if(!s&&!c&&
!i)throw new Error("invalid Legendre symbol result");return s?1:c?0:-1}function Je(n,t){return Yt(n,t)!==-1}function Oo(n,t){if(t!==void 0&&Ve(t),n<=V)throw new Error(
"invalid n length: expected positive n, got "+n);if(t!==void 0&&t<1)throw new Error("invalid n length: expected positive bit length, got "+t);let e=at(n);if(t!==
void 0&&t<e)throw new Error(`invalid n length: expected nBitLength (${t}) >= bitLen(n) (${e})`);let r=t!==void 0?t:e,o=Math.ceil(r/8);return{nBitLength:r,nByteLength:o}}
var Zn=new WeakMap,_e=class{ORDER;BITS;BYTES;isLE;ZERO=V;ONE=U;_lengths;_mod;constructor(t,e={}){if(t<=U)throw new Error("invalid field: expected ORDER > 1, got\
 "+t);let r;this.isLE=!1,e!=null&&typeof e=="object"&&(typeof e.BITS=="number"&&(r=e.BITS),typeof e.sqrt=="function"&&Object.defineProperty(this,"sqrt",{value:e.
sqrt,enumerable:!0}),typeof e.isLE=="boolean"&&(this.isLE=e.isLE),e.allowedLengths&&(this._lengths=Object.freeze(e.allowedLengths.slice())),typeof e.modFromBytes==
"boolean"&&(this._mod=e.modFromBytes));let{nBitLength:o,nByteLength:s}=Oo(t,r);if(s>2048)throw new Error("invalid field: expected ORDER of <= 2048 bytes");this.
ORDER=t,this.BITS=o,this.BYTES=s,Object.freeze(this)}create(t){return rt(t,this.ORDER)}isValid(t){if(typeof t!="bigint")throw new TypeError("invalid field eleme\
nt: expected bigint, got "+typeof t);return V<=t&&t<this.ORDER}is0(t){return t===V}isValidNot0(t){return!this.is0(t)&&this.isValid(t)}isOdd(t){return(t&U)===U}neg(t){
return rt(-t,this.ORDER)}eql(t,e){return t===e}sqr(t){return rt(t*t,this.ORDER)}add(t,e){return rt(t+e,this.ORDER)}sub(t,e){return rt(t-e,this.ORDER)}mul(t,e){return rt(
t*e,this.ORDER)}pow(t,e){return go(t,e,this.ORDER)}div(t,e){return rt(t*Mn(e,this.ORDER),this.ORDER)}sqrN(t){return t*t}addN(t,e){return t+e}subN(t,e){return t-
e}mulN(t,e){return t*e}inv(t){return Mn(t,this.ORDER)}sqrt(t){let e=Zn.get(this);return e||Zn.set(this,e=Eo(this.ORDER)),e(this,t)}toBytes(t){return this.isLE?Pe(
t,this.BYTES):Ot(t,this.BYTES)}fromBytes(t,e=!1){M(t);let{_lengths:r,BYTES:o,isLE:s,ORDER:c,_mod:i}=this;if(r){if(t.length<1||!r.includes(t.length)||t.length>o)
throw new Error("Field.fromBytes: expected "+r+" bytes, got "+t.length);let f=new Uint8Array(o);f.set(t,s?0:f.length-t.length),t=f}if(t.length!==o)throw new Error(
"Field.fromBytes: expected "+o+" bytes, got "+t.length);let a=s?Xe(t):Bt(t);if(i&&(a=rt(a,c)),!e&&!this.isValid(a))throw new Error("invalid field element: outsi\
de of range 0..ORDER");return a}invertBatch(t){return ht(this,t,!0)}cmov(t,e,r){return Et(r,"condition"),r?e:t}};function St(n,t={}){return Object.freeze(_e.prototype),
new _e(n,t)}function Qn(n){if(typeof n!="bigint")throw new Error("field order must be bigint");if(n<=U)throw new Error("field order must be greater than 1");let t=at(n-U);return Math.
ceil(t/8)}function tn(n){let t=Qn(n);return t+Math.ceil(t/2)}function Jn(n,t,e=!1){M(n);let r=n.length,o=Qn(t),s=Math.max(tn(t),16);if(r<s||r>1024)throw new Error(
"expected "+s+"-1024 bytes of input, got "+r);let c=e?Xe(n):Bt(n),i=rt(c,t-U)+U;return e?Pe(i,o):Ot(i,o)}var rn=BigInt(0),ie=BigInt(1),_o=BigInt(4),en=16,tr=128,vo=5,er=2**31;function $t(n){let t=n;if(typeof t!="function")throw new TypeError('"Point" expected const\
ructor, got type='+typeof n);Lt(t.fromAffine,"Point.fromAffine"),Lt(t.fromBytes,"Point.fromBytes"),Lt(t.fromHex,"Point.fromHex"),gt(t.BASE,"Point.BASE"),gt(t.ZERO,
"Point.ZERO"),nt(t.Fp),nt(t.Fn)}function rr(n,t){$t(n),sr(t,n);let e=ht(n.Fp,t.map(r=>r.Z));return t.map((r,o)=>n.fromAffine(r.toAffine(e[o])))}function Ro(n,t,e=1){
if(!Number.isSafeInteger(n)||n<e||n>t)throw new Error("invalid window size, expected ["+e+".."+t+"], got W="+n)}function Fo(n,t){let e=n*(4*t+128);if(e>er)throw new Error(
"invalid window size: table would need ~"+Math.ceil(e/2**20)+" MiB, max "+er/2**20+" MiB")}function or(n,t){if(n!==void 0){Lt(n,"randomBytes");try{let e=n(t);if(!wt(
e)||e.length!==t)return}catch{return}return n}}function sr(n,t){it(n,"points"),n.forEach((e,r)=>{if(!(e instanceof t))throw new Error("invalid point at index "+
r)})}function To(n,t,e){if(!Array.isArray(n))throw new Error("array of scalars expected");n.forEach((r,o)=>{if(!(e===void 0?t.isValid(r):yt(r)&&r<e))throw new Error(
"invalid scalar at index "+o)})}var cr=new WeakMap;function nn(n){return cr.get(n)||1}function Io(n,t){let e=n.double(),r=[n];for(let o=1;o<t;o++)r.push(r[o-1].
add(e));return r}function No(n,t){let e=2**t,r=e/2,o=BigInt(e-1),s=[];for(;n>rn;){let c=0;n&ie&&(c=Number(n&o),c>=r&&(c-=e),n-=BigInt(c)),s.push(c),n>>=ie}return s}
function Ao(n,t,e){let r=2**t,o=r/2,s=BigInt(r-1),c=BigInt(t),i=[];for(let a=0;a<e;a++){let f=Number(n&s);n>>=c,f>o&&(f-=r,n+=ie),i.push(f)}if(n!==rn)throw new Error(
"invalid wnaf");return i}function Lo(n,t,e){let r=0;for(let s of e)r=Math.max(r,s.length);let o=n;for(let s=r-1;s>=0;s--){s!==r-1&&(o=o.double());for(let c=0;c<
e.length;c++){let i=e[c][s];if(i){let a=t[c][Math.abs(i)-1>>1];o=o.add(i<0?a.negate():a)}}}return o}var Fe=class{Point;BASE;ZERO;randomBytes;wnafPrecomputes=new WeakMap;baseCanBeBlinded;bits;constructor(t,e){
$t(t),this.randomBytes=or(e,en),this.Point=t,this.BASE=t.BASE,this.ZERO=t.ZERO,this.bits=t.Fn.BITS}buildWnafTable(t,e,r){let o=Math.ceil(r/e)+1,s=2**(e-1),c=[],
i=t;for(let a=0;a<o;a++){let f=i;for(let d=0;d<s;d++)c.push(f),f=f.add(i);i=c[c.length-1].double()}return{W:e,bits:r,windows:o,comp:c}}wnafCachedCT(t,e){let{W:r,
windows:o,comp:s}=t,c=2**(r-1),i=Ao(e,r,o),a=this.ZERO,f=this.BASE;for(let d=0;d<o;d++){let u=i[d],m=d*c,h=Math.abs(u)-1,p=s[m];for(let l=1;l<c;l++)p=l===h?s[m+
l]:p;let x=p.negate();u===0?f=f.add(s[m]):a=a.add(u<0?x:p)}return{p:a,f}}getWnafPrecomputes(t,e,r,o){let s=this.wnafPrecomputes.get(e),c=s?.find(i=>i.W===t&&i.bits===
r);return c||(c=this.buildWnafTable(e,t,r),typeof o=="function"&&(c={...c,comp:o(c.comp)}),s||(s=[],this.wnafPrecomputes.set(e,s)),s.push(c)),c}assertPoint(t){if(!(t instanceof
this.Point))throw new TypeError('"point" expected Point instance, got type='+typeof t)}validateMulInput(t,e){if(this.assertPoint(t),!We(e,ie,this.Point.Fn.ORDER))
throw new Error("invalid scalar")}runCT(t,e,r,o){let s=nn(t);return s===1?this.fixedWindowCT(t,e,r):this.wnafCachedCT(this.getWnafPrecomputes(s,t,r,o),e)}mulCT(t,e,r){
return this.validateMulInput(t,e),this.runCT(t,e,this.bits,r)}mulCTBlinded(t,e,r){if(this.validateMulInput(t,e),this.randomBytes===void 0)throw new Error("rando\
mBytes is required for scalar blinding");let o=this.Point.Fn.BITS+tr,s=this.randomBytes(en);if(!wt(s)||s.length!==en)throw new Error("randomBytes returned inval\
id byte array");s[0]=s[0]&63|128;let c=e+Bt(s)*this.Point.Fn.ORDER;return this.runCT(t,c,o,r)}fixedWindowCT(t,e,r){let o=vo,s=1<<o,c=Se(o),i=new Array(s);i[0]=this.
ZERO;for(let d=1;d<s;d++)i[d]=i[d-1].add(t);let a=Math.ceil(r/o),f=this.ZERO;for(let d=a-1;d>=0;d--){if(d!==a-1)for(let h=0;h<o;h++)f=f.double();let u=Number(e>>
BigInt(d*o)&c),m=i[0];for(let h=1;h<s;h++)m=h===u?i[h]:m;f=f.add(m)}return{p:f,f}}shouldBlind(t,e){return this.randomBytes===void 0?!1:e===ie?!0:t!==this.BASE?!1:
(this.baseCanBeBlinded===void 0&&(this.baseCanBeBlinded=this.mulUnsafe(this.BASE,this.Point.Fn.ORDER).is0()),this.baseCanBeBlinded)}mulSecret(t,e,r,o){return this.
shouldBlind(t,r)?this.mulCTBlinded(t,e,o):this.mulCT(t,e,o)}mulUnsafe(t,e,r){if(this.assertPoint(t),!yt(e))throw new Error("invalid scalar");let o=nn(t);if(o===
1||e>=this.Point.Fn.ORDER)return Te(this.Point,[t],[e],!0);let s=this.getWnafPrecomputes(o,t,this.bits,r);return this.wnafCachedCT(s,e).p}setWindowSize(t,e){this.
assertPoint(t),Ro(e,this.bits);let r=Math.ceil((this.bits+tr)/e)+1;Fo(r*2**(e-1),this.Point.Fp.BYTES),cr.set(t,e),this.wnafPrecomputes.delete(t)}hasWindowSize(t){
return nn(t)!==1}};function Te(n,t,e,r=!1){if($t(n),sr(t,n),Et(r,"allowOversized"),To(e,n.Fn,r?n.Fn.ORDER**_o:void 0),t.length!==e.length)throw new Error("array\
s of points and scalars must have equal length");let o=t.map(c=>Io(c,4)),s=e.map(c=>No(c,4));return Lo(n.ZERO,o,s)}function nr(n,t,e){if(t){if(t.ORDER!==n)throw new Error("Field.ORDER must match order: Fp == p, Fn == n");return nt(t),t}else return St(n,{isLE:e})}function ir(n,t,e={},r){
if(n!=="weierstrass"&&n!=="edwards")throw new Error('expected curve type "weierstrass" or "edwards"');if(r===void 0&&(r=n==="edwards"),!t||typeof t!="object")throw new Error(
`expected valid ${n} CURVE object`);J(e);for(let a of["p","n","h"]){let f=t[a];if(!(yt(f)&&f!==rn))throw new Error(`CURVE.${a} must be positive bigint`)}let o=nr(
t.p,e.Fp,r),s=nr(t.n,e.Fn,r),i=["Gx","Gy","a",n==="weierstrass"?"b":"d"];for(let a of i)if(!o.isValid(t[a]))throw new Error(`CURVE.${a} must be valid field elem\
ent of CURVE.Fp`);return t=Object.freeze(Object.assign({},t)),{CURVE:t,Fp:o,Fn:s}}var ar=BigInt(0),bt=BigInt(1),_t=BigInt(2),fr=BigInt(3),dr=BigInt(4),jo=Bt;function qt(n,t){if(Y(n),Y(t),t<0||t>4)throw new Error("invalid I2OSP length: "+t);if(n<
0||n>2**(8*t)-1)throw new Error("invalid I2OSP input: "+n);let e=Array.from({length:t}).fill(0);for(let r=t-1;r>=0;r--)e[r]=n&255,n>>>=8;return new Uint8Array(e)}
function qo(n,t){let e=new Uint8Array(n.length);for(let r=0;r<n.length;r++)e[r]=n[r]^t[r];return e}function ur(n){if(!wt(n)&&typeof n!="string")throw new Error(
"DST must be Uint8Array or ascii string");let t=typeof n=="string"?Be(n):n;if(t.length===0)throw new Error("DST must be non-empty");return t}function Do(n,t,e,r){
if(M(n),Y(e),typeof r!="function")throw new Error("expand_message_xmd: expected hash function");Y(r.outputLen,"hash.outputLen"),Y(r.blockLen,"hash.blockLen"),t=
ur(t),t.length>255&&(t=r(Q(Be("H2C-OVERSIZE-DST-"),t)));let{outputLen:o,blockLen:s}=r,c=Math.ceil(e/o);if(e>65535||c>255)throw new Error("expand_message_xmd: in\
valid lenInBytes");let i=Q(t,qt(t.length,1)),a=new Uint8Array(s),f=qt(e,2),d=new Array(c),u=r(Q(a,n,f,qt(0,1),i));d[0]=r(Q(u,qt(1,1),i));for(let h=1;h<c;h++){let p=[
qo(u,d[h-1]),qt(h+1,1),i];d[h]=r(Q(...p))}return Q(...d).slice(0,e)}function Uo(n,t,e,r,o){if(M(n),Y(e),Y(r,"k"),r<0)throw new Error("expand_message_xof: invali\
d k");if(typeof o!="function")throw new Error("expand_message_xof: expected XOF function");if(typeof o.create!="function")throw new Error("expand_message_xof: e\
xpected XOF create");if(t=ur(t),e<0||e>65535)throw new Error("expand_message_xof: invalid lenInBytes");if(t.length>255){let s=Math.ceil(2*r/8);t=o.create({dkLen:s}).
update(Be("H2C-OVERSIZE-DST-")).update(t).digest()}if(t.length>255)throw new Error("expand_message_xof: invalid DST");return o.create({dkLen:e}).update(n).update(
qt(e,2)).update(t).update(qt(t.length,1)).digest()}function on(n,t,e){J(e,{p:"bigint",m:"number",k:"number",hash:"function"});let{p:r,k:o,m:s,hash:c,expand:i,DST:a}=e;
if(Y(c.outputLen,"valid hash"),M(n),Y(t),Y(s,"m"),Y(o,"k"),r<=BigInt(1))throw new Error("hash_to_field: expected valid field characteristic");if(t<1)throw new Error(
"hash_to_field: expected count >= 1");if(s<1)throw new Error("hash_to_field: expected m >= 1");if(o<0)throw new Error("hash_to_field: invalid k");let f=r.toString(
2).length,d=Math.ceil((f+o)/8),u=t*s*d,m;if(i==="xmd")m=Do(n,a,u,c);else if(i==="xof")m=Uo(n,a,u,o,c);else if(i==="_internal_pass")m=n;else throw new Error('exp\
and must be "xmd" or "xof"');let h=new Array(t);for(let p=0;p<t;p++){let x=new Array(s);for(let l=0;l<s;l++){let w=d*(l+p*s),R=m.subarray(w,w+d);x[l]=rt(jo(R),r)}
h[p]=x}return h}function sn(n,t){nt(n),it(t,"map");let e=t.map((r,o)=>{if(it(r,"map["+o+"]"),r.length<1)throw new Error("isogenyMap: expected non-empty coeffici\
ents");return Array.from(r).reverse()});return(r,o)=>{let[s,c,i,a]=e.map(m=>m.reduce((h,p)=>n.add(n.mul(h,r),p))),f=n.is0(c)||n.is0(a),[d,u]=ht(n,[c,a],!0);return r=
n.mul(s,d),o=n.mul(o,n.mul(i,u)),f?{x:n.ZERO,y:n.ZERO}:{x:r,y:o}}}var ko="HashToScalar-";function cn(n,t,e){if(typeof t!="function")throw new Error("mapToCurve(\
) must be defined");J(e);let r=a=>Object.freeze({...a,DST:wt(a.DST)?Gt(a.DST):a.DST,...a.encodeDST===void 0?{}:{encodeDST:wt(a.encodeDST)?Gt(a.encodeDST):a.encodeDST}}),
o=r(e),s=a=>a&&a.DST!==void 0?{DST:a.DST}:void 0;function c(a){return n.fromAffine(t(a))}function i(a){let f=a.clearCofactor();return f.equals(n.ZERO)?n.ZERO:(f.
assertValidity(),f)}return Object.freeze({get defaults(){return r(o)},Point:n,hashToCurve(a,f){let d=Object.assign({},o,s(f)),u=on(a,2,d),m=c(u[0]),h=c(u[1]);return i(
m.add(h))},encodeToCurve(a,f){let d=o.encodeDST===void 0?{}:{DST:o.encodeDST},u=Object.assign({},o,d,s(f)),m=on(a,1,u),h=c(m[0]);return i(h)},mapToCurve(a){if(o.
m===1){if(typeof a!="bigint")throw new Error("expected bigint (m=1)");return i(c([a]))}if(!Array.isArray(a))throw new Error("expected array of bigints");if(a.length!==
o.m)throw new Error(`expected array of ${o.m} bigints`);for(let f of a)if(typeof f!="bigint")throw new Error("expected array of bigints");return i(c(a))},hashToScalar(a,f){
let d=n.Fn.ORDER,u=Object.assign({},o,{DST:ko},s(f),{p:d,m:1});return on(a,1,u)[0][0]}})}function Co(n,t){let e=nt(n),r=e.ORDER,o=ar;for(let x=r-bt;x%_t===ar;x/=
_t)o+=bt;let s=o,c=_t<<s-bt-bt,i=c*_t,a=(r-bt)/i,f=(a-bt)/_t,d=i-bt,u=c,m=e.pow(t,a),h=e.pow(t,(a+bt)/_t),p=(x,l)=>{let w=m,R=e.pow(l,d),A=e.sqr(R);A=e.mul(A,l);
let C=e.mul(x,A);C=e.pow(C,f),C=e.mul(C,R),R=e.mul(C,l),A=e.mul(C,x);let D=e.mul(A,R);C=e.pow(D,u);let X=e.eql(C,e.ONE);R=e.mul(A,h),C=e.mul(D,w),A=e.cmov(R,A,X),
D=e.cmov(C,D,X);for(let P=s;P>bt;P--){let H=P-_t;H=_t<<H-bt;let tt=e.pow(D,H),ot=e.eql(tt,e.ONE);R=e.mul(A,w),w=e.mul(w,w),tt=e.mul(D,w),A=e.cmov(R,A,ot),D=e.cmov(
tt,D,ot)}return{isValid:!e.is0(l)&&(X||e.is0(x)),value:A}};if(e.ORDER%dr===fr){let x=(e.ORDER-fr)/dr,l=e.sqrt(e.neg(t));p=(w,R)=>{let A=e.sqr(R),C=e.mul(w,R);A=
e.mul(A,C);let D=e.pow(A,x);D=e.mul(D,C);let X=e.mul(D,l),P=e.mul(e.sqr(D),R),H=e.eql(P,w),tt=e.cmov(X,D,H);return{isValid:!e.is0(R)&&H,value:tt}}}return p}function an(n,t){
let e=nt(n);J(t,{},{},"opts");let{A:r,B:o,Z:s}=t;if(!e.isValidNot0(r)||!e.isValidNot0(o)||!e.isValid(s))throw new Error("mapToCurveSimpleSWU: invalid opts");if(e.
eql(s,e.neg(e.ONE))||Je(e,s))throw new Error("mapToCurveSimpleSWU: invalid opts");let c=e.mul(o,e.inv(e.mul(s,r))),i=e.add(e.add(e.mul(e.sqr(c),c),e.mul(r,c)),o);
if(!Je(e,i))throw new Error("mapToCurveSimpleSWU: invalid opts");let a=Co(e,s);if(!e.isOdd)throw new Error("Field does not have .isOdd()");return f=>{let d,u,m,
h,p,x,l,w;d=e.sqr(f),d=e.mul(d,s),u=e.sqr(d),u=e.add(u,d),m=e.add(u,e.ONE),m=e.mul(m,o),h=e.cmov(s,e.neg(u),!e.eql(u,e.ZERO)),h=e.mul(h,r),u=e.sqr(m),x=e.sqr(h),
p=e.mul(x,r),u=e.add(u,p),u=e.mul(u,m),x=e.mul(x,h),p=e.mul(x,o),u=e.add(u,p),l=e.mul(d,m);let{isValid:R,value:A}=a(u,x);w=e.mul(d,f),w=e.mul(w,A),l=e.cmov(l,m,
R),w=e.cmov(w,A,R);let C=e.isOdd(f)===e.isOdd(w);w=e.cmov(e.neg(w),w,C);let D=ht(e,[h],!0)[0];return l=e.mul(l,D),{x:l,y:w}}}var lr=(n,t)=>(n+(n>=0?t:-t)/zo)/t;function Ho(n,t,e){Oe("scalar",n,Vt,e);let[[r,o],[s,c]]=t,i=lr(c*n,e),a=lr(-o*n,e),f=n-i*r-a*s,d=-i*o-a*c,u=f<Vt,m=d<Vt;u&&(f=
-f),m&&(d=-d);let h=Se(Math.ceil(at(e)/2))+ae;if(f<Vt||f>=h||d<Vt||d>=h)throw new Error("splitScalar (endomorphism): failed for k");return{k1neg:u,k1:f,k2neg:m,
k2:d}}var Vt=BigInt(0),ae=BigInt(1),zo=BigInt(2),fn=BigInt(3),Mo=BigInt(4);function dn(n,t={}){let e=ir("weierstrass",n,t),r=e.Fp,o=e.Fn,s=e.CURVE,{h:c,n:i}=s;J(t,{},
{allowInfinityPoint:"boolean",clearCofactor:"function",isTorsionFree:"function",fromBytes:"function",toBytes:"function",endo:"object",randomBytes:"function"});let{
endo:a,allowInfinityPoint:f,clearCofactor:d,isTorsionFree:u,fromBytes:m,toBytes:h}=t,p=t.randomBytes===void 0?Zt:t.randomBytes;if(a&&(!r.is0(s.a)||typeof a.beta!=
"bigint"||!Array.isArray(a.basises)))throw new Error('invalid endo: expected "beta": bigint and "basises": array');let x=a?{beta:a.beta,basises:a.basises.map(O=>[
...O])}:void 0,l=Go(r,o);function w(){if(!r.isOdd)throw new Error("compression is not supported: Field does not have .isOdd()")}function R(O,b,g){if(b.is0()){if(!f)
throw new Error("bad point: ZERO");return Uint8Array.of(0)}let{x:E,y:B}=b.toAffine(),v=r.toBytes(E);if(Et(g,"isCompressed"),g){w();let S=!r.isOdd(B);return Q(Zo(
S),v)}else return Q(Uint8Array.of(4),v,r.toBytes(B))}function A(O){M(O,void 0,"Point");let{publicKey:b,publicKeyUncompressed:g}=l,E=O.length,B=O[0],v=O.subarray(
1);if(f&&E===1&&B===0)return{x:r.ZERO,y:r.ZERO};if(E===b&&(B===2||B===3)){let S=r.fromBytes(v);if(!r.isValid(S))throw new Error("bad point: is not on curve, wro\
ng x");let N=H(S),F;try{F=r.sqrt(N)}catch(z){let $=z instanceof Error?": "+z.message:"";throw new Error("bad point: is not on curve, sqrt error"+$)}w();let L=r.
isOdd(F);return(B&1)===1!==L&&(F=r.neg(F)),{x:S,y:F}}else if(E===g&&B===4){let S=r.BYTES,N=r.fromBytes(v.subarray(0,S)),F=r.fromBytes(v.subarray(S,S*2));if(!tt(
N,F))throw new Error("bad point: is not on curve");return{x:N,y:F}}else throw new Error(`bad point: got length ${E}, expected compressed=${b} or uncompressed=${g}`)}
let C=h===void 0?R:h,D=m===void 0?A:m,X=r.mul(s.b,fn),P=r.is0(s.a)?O=>r.ZERO:O=>r.mul(s.a,O);function H(O){let b=r.sqr(O),g=r.mul(b,O);return r.add(r.add(g,r.mul(
O,s.a)),s.b)}function tt(O,b){let g=r.sqr(b),E=H(O);return r.eql(g,E)}if(!tt(s.Gx,s.Gy))throw new Error("bad curve params: generator point");let ot=r.mul(r.pow(
s.a,fn),Mo),ft=r.mul(r.sqr(s.b),BigInt(27));if(r.is0(r.add(ot,ft)))throw new Error("bad curve params: a or b");function mt(O,b,g=!1){if(!r.isValid(b)||g&&r.is0(
b))throw new Error(`bad point coordinate ${O}`);return typeof b=="object"&&b!==null?r.create(b):b}function Ct(O){if(!(O instanceof y))throw new Error("Weierstra\
ss Point expected")}function Ht(O){if(!x||!x.basises)throw new Error("no endo");return Ho(O,x.basises,o.ORDER)}function te(O,b,g,E){if(!o.isValid(E))throw new RangeError(
"invalid scalar: out of range");if(x){let{k1neg:B,k1:v,k2neg:S,k2:N}=Ht(E),F=new y(r.mul(g.X,x.beta),g.Y,g.Z);O.push(B?g.negate():g,S?F.negate():F),b.push(v,N)}else
O.push(g),b.push(E)}let le=new WeakSet;class y{static BASE=new y(s.Gx,s.Gy,r.ONE);static ZERO=new y(r.ZERO,r.ONE,r.ZERO);static Fp=r;static Fn=o;X;Y;Z;constructor(b,g,E){
this.X=mt("x",b),this.Y=mt("y",g,!0),this.Z=mt("z",E),Object.freeze(this)}static CURVE(){return s}static fromAffine(b){let{x:g,y:E}=b||{};if(!b||!r.isValid(g)||
!r.isValid(E))throw new Error("invalid affine point");if(b instanceof y)throw new Error("projective point not allowed");return r.is0(g)&&r.is0(E)?y.ZERO:new y(g,
E,r.ONE)}static fromBytes(b){let g=y.fromAffine(D(M(b,void 0,"point")));return g.assertValidity(),g}static fromHex(b){return y.fromBytes(ce(b))}get x(){return this.
toAffine().x}get y(){return this.toAffine().y}precompute(b=6,g=!0){return I.setWindowSize(this,b),g||this.multiply(fn),this}assertValidity(){let b=this;if(b.is0()){
if(f&&r.is0(b.X)&&r.eql(b.Y,r.ONE)&&r.is0(b.Z))return;throw new Error("bad point: ZERO")}if(le.has(b))return;let{x:g,y:E}=b.toAffine();if(!r.isValid(g)||!r.isValid(
E))throw new Error("bad point: x or y not field elements");if(!tt(g,E))throw new Error("bad point: equation left != right");if(!b.isTorsionFree())throw new Error(
"bad point: not in prime-order subgroup");le.add(b)}hasEvenY(){let{y:b}=this.toAffine();if(!r.isOdd)throw new Error("Field doesn't support isOdd");return!r.isOdd(
b)}equals(b){Ct(b);let{X:g,Y:E,Z:B}=this,{X:v,Y:S,Z:N}=b,F=r.eql(r.mul(g,N),r.mul(v,B)),L=r.eql(r.mul(E,N),r.mul(S,B));return F&&L}negate(){return new y(this.X,
r.neg(this.Y),this.Z)}double(){let{X:b,Y:g,Z:E}=this,B=r.ZERO,v=r.ZERO,S=r.ZERO,N=r.mul(b,b),F=r.mul(g,g),L=r.mul(E,E),j=r.mul(b,g);return j=r.add(j,j),S=r.mul(
b,E),S=r.add(S,S),B=P(S),v=r.mul(X,L),v=r.add(B,v),B=r.sub(F,v),v=r.add(F,v),v=r.mul(B,v),B=r.mul(j,B),S=r.mul(X,S),L=P(L),j=r.sub(N,L),j=P(j),j=r.add(j,S),S=r.
add(N,N),N=r.add(S,N),N=r.add(N,L),N=r.mul(N,j),v=r.add(v,N),L=r.mul(g,E),L=r.add(L,L),N=r.mul(L,j),B=r.sub(B,N),S=r.mul(L,F),S=r.add(S,S),S=r.add(S,S),new y(B,
v,S)}add(b){Ct(b);let{X:g,Y:E,Z:B}=this,{X:v,Y:S,Z:N}=b,F=r.ZERO,L=r.ZERO,j=r.ZERO,z=r.mul(g,v),$=r.mul(E,S),W=r.mul(B,N),st=r.add(g,E),G=r.add(v,S);st=r.mul(st,
G),G=r.add(z,$),st=r.sub(st,G),G=r.add(g,B);let K=r.add(v,N);return G=r.mul(G,K),K=r.add(z,W),G=r.sub(G,K),K=r.add(E,B),F=r.add(S,N),K=r.mul(K,F),F=r.add($,W),K=
r.sub(K,F),j=P(G),F=r.mul(X,W),j=r.add(F,j),F=r.sub($,j),j=r.add($,j),L=r.mul(F,j),$=r.add(z,z),$=r.add($,z),W=P(W),G=r.mul(X,G),$=r.add($,W),W=r.sub(z,W),W=P(W),
G=r.add(G,W),z=r.mul($,G),L=r.add(L,z),z=r.mul(K,G),F=r.mul(st,F),F=r.sub(F,z),z=r.mul(st,$),j=r.mul(K,j),j=r.add(j,z),new y(F,L,j)}subtract(b){return Ct(b),this.
add(b.negate())}is0(){return this.equals(y.ZERO)}multiply(b){if(!o.isValidNot0(b))throw new RangeError("invalid scalar: out of range");let{p:g,f:E}=I.mulSecret(
this,b,c,T);return T([g,E])[0]}multiplyUnsafe(b){let g=this,E=b;if(!o.isValid(E))throw new RangeError("invalid scalar: out of range");if(E===Vt||g.is0())return y.
ZERO;if(E===ae)return g;if(I.hasWindowSize(this))return I.mulUnsafe(g,E,T);let B=[],v=[];return te(B,v,g,E),Te(y,B,v)}mulAddUnsafe(b,g,E){Ct(g);let B=[],v=[];return te(
B,v,this,b),te(B,v,g,E),Te(y,B,v)}toAffine(b){let g=this,E=b;if(E!=null&&!r.isValid(E))throw new RangeError('"invertedZ" expected valid field element');let{X:B,
Y:v,Z:S}=g;if(r.eql(S,r.ONE))return{x:B,y:v};let N=g.is0();E==null&&(E=N?r.ONE:r.inv(S));let F=r.mul(B,E),L=r.mul(v,E),j=r.mul(S,E);if(N)return{x:r.ZERO,y:r.ZERO};
if(!r.eql(j,r.ONE))throw new Error("invZ was invalid");return{x:F,y:L}}isTorsionFree(){return c===ae?!0:u?u(y,this):I.mulUnsafe(this,i).is0()}clearCofactor(){return c===
ae?this:d?d(y,this):this.multiplyUnsafe(c)}isSmallOrder(){return c===ae?this.is0():this.clearCofactor().is0()}toBytes(b=!0){return Et(b,"isCompressed"),this.assertValidity(),
C(y,this,b)}toHex(b=!0){return se(this.toBytes(b))}toString(){return`<Point ${this.is0()?"ZERO":this.toHex()}>`}}let T=O=>rr(y,O),I=new Fe(y,p);return I.bits>=6&&
y.BASE.precompute(6),Object.freeze(y.prototype),Object.freeze(y),y}function Zo(n){return Uint8Array.of(n?2:3)}function Go(n,t){return{secretKey:t.BYTES,publicKey:1+
n.BYTES,publicKeyUncompressed:1+2*n.BYTES,publicKeyHasPrefix:!0,signature:2*t.BYTES}}var Yo=BigInt(0),Ie=BigInt(1),hr=BigInt(2),Xt=BigInt(3);function $o(n){let t=[];for(;n>Ie;n>>=Ie)(n&Ie)===Yo?t.unshift(0):(n&Xt)===Xt?(t.unshift(-1),n+=Ie):t.unshift(
1);return t}function un(n){if(!Array.isArray(n)||n.length===0)throw new Error("expected non-empty array")}function Vo(n,t,e,r){if(J(n,{Fp:"object",Fr:"object",Fp2:"\
object",Fp12:"object"},{Fp6:"object"},"fields"),typeof t!="function")throw new TypeError('"G1_Point" expected point constructor, got type='+typeof t);if(typeof e!=
"function")throw new TypeError('"G2_Point" expected point constructor, got type='+typeof e);J(r,{ateLoopSize:"bigint",xNegative:"boolean",twistType:"string"},{randomBytes:"\
function",postPrecompute:"function"},"params");let{Fp:o,Fr:s,Fp2:c,Fp12:i}=n,{twistType:a,ateLoopSize:f,xNegative:d,postPrecompute:u}=r,m=(y,T)=>({c0:y,c1:T}),h=({
c0:y,c1:T})=>Object.freeze({c0:y,c1:T}),p=(y,T)=>m(o.add(y.c0,T.c0),o.add(y.c1,T.c1)),x=(y,T)=>m(o.sub(y.c0,T.c0),o.sub(y.c1,T.c1)),l=(y,T)=>{let I=o.mul(y.c0,T.
c0),O=o.mul(y.c1,T.c1);return m(o.sub(I,O),o.sub(o.mul(o.add(y.c0,y.c1),o.add(T.c0,T.c1)),o.add(I,O)))},w=(y,T)=>m(o.mul(y.c0,T),o.mul(y.c1,T)),R=y=>c.mulByNonresidue(
y),A=({c0:y,c1:T},I,O,b,g,E)=>{let B=w(O,g),v=w(b,E),{c0:S,c1:N,c2:F}=y,{c0:L,c1:j,c2:z}=T,$=l(S,I),W=l(N,B),st=p(R(x(l(p(N,F),B),W)),$),G=x(x(l(p(I,B),p(S,N)),
$),W),K=p(x(l(p(S,F),I),$),W),ee=R(l(z,v)),ne=l(L,v),re=l(j,v),Ft=p(S,L),Tt=p(N,j),oe=p(F,z),It=p(B,v),Nt=l(Ft,I),At=l(Tt,It),Ue=p(R(x(l(p(Tt,oe),It),At)),Nt),ke=x(
x(l(p(I,It),p(Ft,Tt)),Nt),At),Ce=p(x(l(p(Ft,oe),I),Nt),At);return Object.freeze({c0:Object.freeze({c0:h(p(R(re),st)),c1:h(p(ee,G)),c2:h(p(ne,K))}),c1:Object.freeze(
{c0:h(x(x(Ue,st),ee)),c1:h(x(x(ke,G),ne)),c2:h(x(x(Ce,K),re))})})},C=({c0:y,c1:T},I,O,b,g,E)=>{let B=w(I,E),v=w(O,g),{c0:S,c1:N,c2:F}=y,{c0:L,c1:j,c2:z}=T,$=l(S,
B),W=l(N,B),st=l(F,B),G=l(L,v),K=l(j,b),ee=p(R(x(l(p(j,z),b),K)),G),ne=x(x(l(p(v,b),p(L,j)),G),K),re=p(x(l(p(L,z),v),G),K),Ft=p(S,L),Tt=p(N,j),oe=p(F,z),It=p(B,
v),Nt=l(Ft,It),At=l(Tt,b),Ue=p(R(x(l(p(Tt,oe),b),At)),Nt),ke=x(x(l(p(It,b),p(Ft,Tt)),Nt),At),Ce=p(x(l(p(Ft,oe),It),Nt),At);return Object.freeze({c0:Object.freeze(
{c0:h(p(R(re),$)),c1:h(p(ee,W)),c2:h(p(ne,st))}),c1:Object.freeze({c0:h(x(x(Ue,$),ee)),c1:h(x(x(ke,W),ne)),c2:h(x(x(Ce,st),re))})})},D;if(a==="multiplicative")D=
(y,T,I,O,b,g)=>A(O,y,T,I,b,g);else if(a==="divisive")D=(y,T,I,O,b,g)=>C(O,I,T,y,b,g);else throw new Error("bls: unknown twist type");let X=c.div(c.ONE,c.mul(c.ONE,
hr));function P(y,T,I,O){let b=c.sqr(I),g=c.sqr(O),E=c.mulByB(c.mul(g,Xt)),B=c.mul(E,Xt),v=c.sub(c.sub(c.sqr(c.add(I,O)),g),b),S=c.sub(E,b),N=c.mul(c.sqr(T),Xt),
F=c.neg(v);return y.push([S,N,F]),T=c.mul(c.mul(c.mul(c.sub(b,B),T),I),X),I=c.sub(c.sqr(c.mul(c.add(b,B),X)),c.mul(c.sqr(E),Xt)),O=c.mul(b,v),{Rx:T,Ry:I,Rz:O}}function H(y,T,I,O,b,g){
let E=c.sub(I,c.mul(g,O)),B=c.sub(T,c.mul(b,O)),v=c.sub(c.mul(E,b),c.mul(B,g)),S=c.neg(E),N=B;y.push([v,S,N]);let F=c.sqr(B),L=c.mul(F,B),j=c.mul(F,T),z=c.add(c.
sub(L,c.mul(j,hr)),c.mul(c.sqr(E),O));return T=c.mul(B,z),I=c.sub(c.mul(c.sub(j,z),E),c.mul(L,I)),O=c.mul(O,L),{Rx:T,Ry:I,Rz:O}}let tt=$o(f),ot=y=>{if(!(y instanceof
e))throw new TypeError('"point" expected G2 point, got type='+typeof y);let T=y,{x:I,y:O}=T.toAffine(),b=I,g=O,E=c.neg(O),B=b,v=g,S=c.ONE,N=[];for(let F of tt){
let L=[];({Rx:B,Ry:v,Rz:S}=P(L,B,v,S)),F&&({Rx:B,Ry:v,Rz:S}=H(L,B,v,S,b,F===-1?E:g)),N.push(L)}if(u){let F=N[N.length-1];u(B,v,S,b,g,H.bind(null,F))}return N};function ft(y,T=!1){
it(y,"pairs",(O,b)=>{if(it(O,b),O.length!==3)throw new TypeError(`"${b}" expected precompute tuple`);it(O[0],b+"[0]")});let I=i.ONE;if(y.length){let O=y[0][0].length;
for(let b=0;b<O;b++){b!==0&&(I=i.sqr(I));for(let[g,E,B]of y)for(let[v,S,N]of g[b])I=D(v,S,N,I,E,B)}}return d&&(I=i.conjugate(I)),T?i.finalExponentiate(I):I}function mt(y,T=!0){
it(y,"pairs");let I=[];for(let O=0;O<y.length;O++){let b=y[O];J(b,{g1:"object",g2:"object"},{},"pairs["+O+"]");let{g1:g,g2:E}=b;if(!(g instanceof t))throw new TypeError(
'"pairs['+O+'].g1" expected G1 point, got type='+typeof g);if(!(E instanceof e))throw new TypeError('"pairs['+O+'].g2" expected G2 point, got type='+typeof E);if(g.
is0()||E.is0())throw new Error("pairing is not available for ZERO point");g.assertValidity(),E.assertValidity();let B=g.toAffine();I.push([ot(E),B.x,B.y])}return ft(
I,T)}function Ct(y,T,I=!0){if(!(y instanceof t))throw new TypeError('"Q" expected G1 point, got type='+typeof y);if(!(T instanceof e))throw new TypeError('"P" e\
xpected G2 point, got type='+typeof T);return mt([{g1:y,g2:T}],I)}let Ht={seed:tn(s.ORDER)},te=r.randomBytes===void 0?Zt:r.randomBytes,le=y=>(y=y===void 0?te(Ht.
seed):y,M(y,Ht.seed,"seed"),Jn(y,s.ORDER));return Object.freeze(Ht),{lengths:Ht,Fr:s,Fp12:i,millerLoopBatch:ft,pairing:Ct,pairingBatch:mt,calcPairingPrecomputes:ot,
randomSecretKey:le}}function br(n,t,e,r,o,s){let{Fr:c,Fp12:i,pairingBatch:a,randomSecretKey:f,lengths:d}=n;s||(s={fromBytes:lt,fromHex:lt,toBytes:lt,toHex:lt});
let u=Object.freeze({...s});function m(l){return l instanceof t?l:t.fromBytes(l)}function h(l){return l instanceof e?l:u.fromBytes(l)}function p(l){if(!(l instanceof
e))throw new Error(`expected valid message hashed to ${r?"G1":"G2"} curve`);return l}let x=r?(l,w)=>({g1:w,g2:l}):(l,w)=>({g1:l,g2:w});return Object.freeze({lengths:Object.
freeze({...d,secretKey:c.BYTES}),keygen(l){let w=f(l),R=this.getPublicKey(w);return{secretKey:w,publicKey:R}},getPublicKey(l){let w;try{w=t.Fn.fromBytes(l)}catch(R){
throw new Error("invalid private key: "+typeof l,{cause:R})}return t.BASE.multiply(w)},sign(l,w,R){if(R!=null)throw new Error("sign() expects 2 arguments");let A=t.
Fn.fromBytes(w);return p(l).assertValidity(),l.multiply(A)},verify(l,w,R,A){if(A!=null)throw new Error("verify() expects 3 arguments");l=h(l),R=m(R);let C=R.negate(),
D=t.BASE,X=p(w),P=l;try{let H=a([x(C,X),x(D,P)]);return i.eql(H,i.ONE)}catch{return!1}},verifyBatch(l,w){un(w);let R=h(l),A=w.map(H=>p(H.message)),C=w.map(H=>m(
H.publicKey)),D=new Map;for(let H=0;H<C.length;H++){let tt=C[H],ot=A[H],ft=D.get(ot);ft===void 0&&(ft=[],D.set(ot,ft)),ft.push(tt)}let X=[],P=t.BASE;try{for(let[
H,tt]of D){let ot=tt.reduce((ft,mt)=>ft.add(mt));X.push(x(ot,H))}return X.push(x(P.negate(),R)),i.eql(a(X),i.ONE)}catch{return!1}},aggregatePublicKeys(l){un(l),
l=l.map(R=>m(R));let w=l.reduce((R,A)=>R.add(A),t.ZERO);return w.assertValidity(),w},aggregateSignatures(l){un(l),l=l.map(R=>h(R));let w=l.reduce((R,A)=>R.add(A),
e.ZERO);return w.assertValidity(),w},hash(l,w){return M(l),o(l,w===void 0?void 0:{DST:w})},Signature:Object.freeze({...u})})}function Xo(n,t,e,r){let{Fp:o,Fr:s,
Fp2:c,Fp6:i,Fp12:a}=n,f={Point:t},d={Point:e},u=Vo(n,t,e,r),{millerLoopBatch:m,pairing:h,pairingBatch:p,calcPairingPrecomputes:x,randomSecretKey:l,lengths:w}=u;
return f.Point.BASE.precompute(4),Object.freeze(f),Object.freeze(d),Object.freeze({lengths:Object.freeze(w),millerLoopBatch:m,pairing:h,pairingBatch:p,G1:f,G2:d,
fields:Object.freeze({Fr:s,Fp:o,Fp2:c,Fp6:i,Fp12:a}),params:Object.freeze({ateLoopSize:r.ateLoopSize,xNegative:r.xNegative,twistType:r.twistType,postPrecompute:r.
postPrecompute}),utils:Object.freeze({randomSecretKey:l,calcPairingPrecomputes:x})})}function Po(n,t,e,r,o){let s=Xo(n,t,e,r);J(o,{hasherOpts:"object",hasherOptsG1:"\
object",hasherOptsG2:"object"},{mapToG1:"function",mapToG2:"function"},"hasherParams");let c=cn(t,o.mapToG1===void 0?lt:o.mapToG1,{...o.hasherOpts,...o.hasherOptsG1}),
i=cn(e,o.mapToG2===void 0?lt:o.mapToG2,{...o.hasherOpts,...o.hasherOptsG2});return Object.freeze({...s,G1:c,G2:i})}function pr(n,t,e,r,o,s){let c=Po(n,t,e,r,o),
i={...c,Fr:c.fields.Fr,Fp12:c.fields.Fp12,calcPairingPrecomputes:c.utils.calcPairingPrecomputes,randomSecretKey:c.utils.randomSecretKey},a=br(i,t,e,!1,c.G2.hashToCurve,
s?.LongSignature),f=br(i,e,t,!0,c.G1.hashToCurve,s?.ShortSignature);return Object.freeze({...c,longSignatures:a,shortSignatures:f})}var ln=BigInt(0),vt=BigInt(1),et=BigInt(2),mr=BigInt(3),Wo=BigInt(6),Ko=BigInt(12),Dt=n=>!!n&&typeof n=="object";function gr(n,t,e,r,o=1,s){Y(o,"num"),Y(r,"degr\
ee");let c=s===void 0?r:s;Y(c,"divisor");let i=n;if(typeof e!="bigint"||e<=vt)throw new Error("calcFrobeniusCoefficients: expected valid modulus, got "+e);if(r<=
0)throw new Error("calcFrobeniusCoefficients: expected positive degree, got "+r);if(o<=0)throw new Error("calcFrobeniusCoefficients: expected positive row count\
, got "+o);if(c<=0)throw new Error("calcFrobeniusCoefficients: expected positive divisor, got "+c);let a=BigInt(c),f=e**BigInt(r),d=[];for(let u=0;u<o;u++){let m=BigInt(
u+1),h=[];for(let p=0,x=vt;p<r;p++){let l=m*x-m;if(l%a)throw new Error("calcFrobeniusCoefficients: inexact tower exponent");let w=l/a%f;h.push(i.pow(t,w)),x*=e}
d.push(h)}return d}function yr(n,t,e){if(nt(n),nt(t),J(t,{Fp:"object",frobeniusMap:"function",fromBigTuple:"function",mulByB:"function",mulByNonresidue:"function",reim:"function",
Fp4Square:"function",NONRESIDUE:"object"},{}),!Dt(e)||Array.isArray(e))throw new TypeError('"base" expected Fp2 element, got type='+typeof e);if(!t.isValid(e))throw new RangeError(
'"base" expected valid Fp2 element');let r=t.pow(e,(n.ORDER-vt)/mr),o=t.pow(e,(n.ORDER-vt)/et);function s(m,h){let p=t.mul(t.frobeniusMap(m,1),r),x=t.mul(t.frobeniusMap(
h,1),o);return[p,x]}let c=t.pow(e,(n.ORDER**et-vt)/mr),i=t.pow(e,(n.ORDER**et-vt)/et);if(!t.eql(i,t.neg(t.ONE)))throw new Error("psiFrobenius: PSI2_Y!==-1");function a(m,h){
return[t.mul(m,c),t.neg(h)]}let f=m=>(h,p)=>{if(typeof h!="function")throw new TypeError('"c" expected point constructor, got type='+typeof h);if($t(h),!(p instanceof
h))throw new TypeError('"P" expected Point instance, got type='+typeof p);let x=p.toAffine(),l=m(x.x,x.y);return h.fromAffine({x:l[0],y:l[1]})},d=f(s),u=f(a);return{
psi:s,psi2:a,G2psi:d,G2psi2:u,PSI_X:r,PSI_Y:o,PSI2_X:c,PSI2_Y:i}}var hn=class{ORDER;BITS;BYTES;isLE;ZERO;ONE;Fp;NONRESIDUE;mulByB;Fp_NONRESIDUE;Fp_div2;constructor(t,e={}){
let{NONRESIDUE:r=BigInt(-1),FP2_NONRESIDUE:o,Fp2mulByB:s}=e,c=t.ORDER,i=c*c;this.Fp=t,this.ORDER=i,this.BITS=at(i),this.BYTES=Math.ceil(at(i)/8),this.isLE=t.isLE,
this.ZERO=this.create({c0:t.ZERO,c1:t.ZERO}),this.ONE=this.create({c0:t.ONE,c1:t.ZERO}),this.Fp_NONRESIDUE=t.create(r),this.Fp_div2=t.div(t.ONE,et),this.NONRESIDUE=
this.create({c0:o[0],c1:o[1]}),this.mulByB=a=>{let{c0:f,c1:d}=s(a);return Object.freeze({c0:f,c1:d})},Object.freeze(this)}fromBigTuple(t){if(!Array.isArray(t)||
t.length!==2)throw new Error("invalid Fp2.fromBigTuple");let[e,r]=t;if(typeof e!="bigint"||typeof r!="bigint")throw new Error("invalid Fp2.fromBigTuple");return this.
create({c0:e,c1:r})}create(t){let{Fp:e}=this,r=e.create(t.c0),o=e.create(t.c1);return Object.freeze({c0:r,c1:o})}isValid(t){if(!Dt(t))throw new TypeError("inval\
id field element: expected object, got "+typeof t);let{c0:e,c1:r}=t,{Fp:o}=this;return o.isValid(e)&&o.isValid(r)}is0(t){if(!Dt(t))return!1;let{c0:e,c1:r}=t,{Fp:o}=this;
return o.is0(e)&&o.is0(r)}isValidNot0(t){return!this.is0(t)&&this.isValid(t)}eql({c0:t,c1:e},{c0:r,c1:o}){let{Fp:s}=this;return s.eql(t,r)&&s.eql(e,o)}neg({c0:t,
c1:e}){let{Fp:r}=this;return Object.freeze({c0:r.neg(t),c1:r.neg(e)})}pow(t,e){return Re(this,t,e)}invertBatch(t){return ht(this,t,!0)}add(t,e){let{Fp:r}=this,{
c0:o,c1:s}=t,{c0:c,c1:i}=e;return Object.freeze({c0:r.add(o,c),c1:r.add(s,i)})}sub({c0:t,c1:e},{c0:r,c1:o}){let{Fp:s}=this;return Object.freeze({c0:s.sub(t,r),c1:s.
sub(e,o)})}mul({c0:t,c1:e},r){let{Fp:o}=this;if(typeof r=="bigint")return Object.freeze({c0:o.mul(t,r),c1:o.mul(e,r)});let{c0:s,c1:c}=r,i=o.mul(t,s),a=o.mul(e,c),
f=o.sub(i,a),d=o.sub(o.mul(o.add(t,e),o.add(s,c)),o.add(i,a));return Object.freeze({c0:f,c1:d})}sqr({c0:t,c1:e}){let{Fp:r}=this,o=r.add(t,e),s=r.sub(t,e),c=r.add(
t,t);return Object.freeze({c0:r.mul(o,s),c1:r.mul(c,e)})}addN(t,e){return this.add(t,e)}subN(t,e){return this.sub(t,e)}mulN(t,e){return this.mul(t,e)}sqrN(t){return this.
sqr(t)}div(t,e){let{Fp:r}=this;return this.mul(t,typeof e=="bigint"?r.inv(r.create(e)):this.inv(e))}inv({c0:t,c1:e}){let{Fp:r}=this,o=r.inv(r.create(t*t+e*e));return Object.
freeze({c0:r.mul(o,r.create(t)),c1:r.mul(o,r.create(-e))})}sqrt(t){let{Fp:e}=this,r=this,{c0:o,c1:s}=t;if(e.is0(s))return Yt(e,o)===1?r.create({c0:e.sqrt(o),c1:e.
ZERO}):r.create({c0:e.ZERO,c1:e.sqrt(e.div(o,this.Fp_NONRESIDUE))});let c=e.sqrt(e.sub(e.sqr(o),e.mul(e.sqr(s),this.Fp_NONRESIDUE))),i=e.mul(e.add(c,o),this.Fp_div2);
Yt(e,i)===-1&&(i=e.sub(i,c));let f=e.sqrt(i),d=r.create({c0:f,c1:e.div(e.mul(s,this.Fp_div2),f)});if(!r.eql(r.sqr(d),t))throw new Error("Cannot find square root");
let u=d,m=r.neg(u),{re:h,im:p}=r.reim(u),{re:x,im:l}=r.reim(m);return p>l||p===l&&h>x?u:m}isOdd(t){let{re:e,im:r}=this.reim(t),o=e%et,s=e===ln,c=r%et;return BigInt(
o||s&&c)==vt}fromBytes(t){let{Fp:e}=this;if(M(t),t.length!==this.BYTES)throw new Error("fromBytes invalid length="+t.length);return this.create({c0:e.fromBytes(
t.subarray(0,e.BYTES)),c1:e.fromBytes(t.subarray(e.BYTES))})}toBytes({c0:t,c1:e}){return Q(this.Fp.toBytes(t),this.Fp.toBytes(e))}cmov({c0:t,c1:e},{c0:r,c1:o},s){
let{Fp:c}=this;return this.create({c0:c.cmov(t,r,s),c1:c.cmov(e,o,s)})}reim({c0:t,c1:e}){return{re:t,im:e}}Fp4Square(t,e){let r=this,o=r.sqr(t),s=r.sqr(e);return{
first:r.add(r.mulByNonresidue(s),o),second:r.sub(r.sub(r.sqr(r.add(t,e)),o),s)}}mulByNonresidue({c0:t,c1:e}){let{Fp:r,NONRESIDUE:o}=this;return o.c0===r.ONE&&o.
c1===r.ONE?Object.freeze({c0:r.sub(t,e),c1:r.add(t,e)}):o.c1===r.ONE?Object.freeze({c0:r.sub(r.mul(t,o.c0),e),c1:r.add(t,r.mul(e,o.c0))}):this.mul({c0:t,c1:e},o)}frobeniusMap(t,e){
let{c0:r,c1:o}=t,{Fp:s}=this;return Object.freeze({c0:r,c1:e%2===0?o:s.neg(o)})}},bn=class{ORDER;BITS;BYTES;isLE;ZERO;ONE;Fp2;constructor(t){this.Fp2=t,this.ORDER=
t.Fp.ORDER**Wo,this.BITS=3*t.BITS,this.BYTES=3*t.BYTES,this.isLE=t.isLE,this.ZERO=this.create({c0:t.ZERO,c1:t.ZERO,c2:t.ZERO}),this.ONE=this.create({c0:t.ONE,c1:t.
ZERO,c2:t.ZERO}),Object.freeze(this)}get FROBENIUS_COEFFICIENTS_1(){let t=Ne.get(this);if(t)return t[0];let{Fp2:e}=this,{Fp:r}=e,o=gr(e,e.NONRESIDUE,r.ORDER,6,2,
3),s=[Object.freeze(o[0]),Object.freeze(o[1])];return Ne.set(this,s),s[0]}get FROBENIUS_COEFFICIENTS_2(){let t=Ne.get(this);return t?t[1]:(this.FROBENIUS_COEFFICIENTS_1,
Ne.get(this)[1])}add({c0:t,c1:e,c2:r},{c0:o,c1:s,c2:c}){let{Fp2:i}=this;return Object.freeze({c0:i.add(t,o),c1:i.add(e,s),c2:i.add(r,c)})}sub({c0:t,c1:e,c2:r},{
c0:o,c1:s,c2:c}){let{Fp2:i}=this;return Object.freeze({c0:i.sub(t,o),c1:i.sub(e,s),c2:i.sub(r,c)})}mul({c0:t,c1:e,c2:r},o){let{Fp2:s}=this;if(typeof o=="bigint")
return Object.freeze({c0:s.mul(t,o),c1:s.mul(e,o),c2:s.mul(r,o)});let{c0:c,c1:i,c2:a}=o,f=s.mul(t,c),d=s.mul(e,i),u=s.mul(r,a);return Object.freeze({c0:s.add(f,
s.mulByNonresidue(s.sub(s.mul(s.add(e,r),s.add(i,a)),s.add(d,u)))),c1:s.add(s.sub(s.mul(s.add(t,e),s.add(c,i)),s.add(f,d)),s.mulByNonresidue(u)),c2:s.sub(s.add(
d,s.mul(s.add(t,r),s.add(c,a))),s.add(f,u))})}sqr({c0:t,c1:e,c2:r}){let{Fp2:o}=this,s=o.sqr(t),c=o.mul(o.mul(t,e),et),i=o.mul(o.mul(e,r),et),a=o.sqr(r);return Object.
freeze({c0:o.add(o.mulByNonresidue(i),s),c1:o.add(o.mulByNonresidue(a),c),c2:o.sub(o.sub(o.add(o.add(c,o.sqr(o.add(o.sub(t,e),r))),i),s),a)})}addN(t,e){return this.
add(t,e)}subN(t,e){return this.sub(t,e)}mulN(t,e){return this.mul(t,e)}sqrN(t){return this.sqr(t)}create(t){let{Fp2:e}=this,r=e.create(t.c0),o=e.create(t.c1),s=e.
create(t.c2);return Object.freeze({c0:r,c1:o,c2:s})}isValid(t){if(!Dt(t))throw new TypeError("invalid field element: expected object, got "+typeof t);let{c0:e,c1:r,
c2:o}=t,{Fp2:s}=this;return s.isValid(e)&&s.isValid(r)&&s.isValid(o)}is0(t){if(!Dt(t))return!1;let{c0:e,c1:r,c2:o}=t,{Fp2:s}=this;return s.is0(e)&&s.is0(r)&&s.is0(
o)}isValidNot0(t){return!this.is0(t)&&this.isValid(t)}neg({c0:t,c1:e,c2:r}){let{Fp2:o}=this;return Object.freeze({c0:o.neg(t),c1:o.neg(e),c2:o.neg(r)})}eql({c0:t,
c1:e,c2:r},{c0:o,c1:s,c2:c}){let{Fp2:i}=this;return i.eql(t,o)&&i.eql(e,s)&&i.eql(r,c)}sqrt(t){return lt()}div(t,e){let{Fp2:r}=this,{Fp:o}=r;return this.mul(t,typeof e==
"bigint"?o.inv(o.create(e)):this.inv(e))}pow(t,e){return Re(this,t,e)}invertBatch(t){return ht(this,t,!0)}inv({c0:t,c1:e,c2:r}){let{Fp2:o}=this,s=o.sub(o.sqr(t),
o.mulByNonresidue(o.mul(r,e))),c=o.sub(o.mulByNonresidue(o.sqr(r)),o.mul(t,e)),i=o.sub(o.sqr(e),o.mul(t,r)),a=o.inv(o.add(o.mulByNonresidue(o.add(o.mul(r,c),o.mul(
e,i))),o.mul(t,s)));return Object.freeze({c0:o.mul(a,s),c1:o.mul(a,c),c2:o.mul(a,i)})}fromBytes(t){let{Fp2:e}=this;if(M(t),t.length!==this.BYTES)throw new Error(
"fromBytes invalid length="+t.length);let r=e.BYTES;return this.create({c0:e.fromBytes(t.subarray(0,r)),c1:e.fromBytes(t.subarray(r,r*2)),c2:e.fromBytes(t.subarray(
2*r))})}toBytes({c0:t,c1:e,c2:r}){let{Fp2:o}=this;return Q(o.toBytes(t),o.toBytes(e),o.toBytes(r))}cmov({c0:t,c1:e,c2:r},{c0:o,c1:s,c2:c},i){let{Fp2:a}=this;return this.
create({c0:a.cmov(t,o,i),c1:a.cmov(e,s,i),c2:a.cmov(r,c,i)})}fromBigSix(t){let{Fp2:e}=this;if(!Array.isArray(t)||t.length!==6)throw new Error("invalid Fp6.fromB\
igSix");for(let o=0;o<6;o++)if(typeof t[o]!="bigint")throw new Error("invalid Fp6.fromBigSix");let r=t;return this.create({c0:e.fromBigTuple(r.slice(0,2)),c1:e.
fromBigTuple(r.slice(2,4)),c2:e.fromBigTuple(r.slice(4,6))})}frobeniusMap(t,e){let{c0:r,c1:o,c2:s}=t;if(e%6===0)return Object.freeze({c0:r,c1:o,c2:s});let{Fp2:c}=this;
return Object.freeze({c0:c.frobeniusMap(r,e),c1:c.mul(c.frobeniusMap(o,e),this.FROBENIUS_COEFFICIENTS_1[e%6]),c2:c.mul(c.frobeniusMap(s,e),this.FROBENIUS_COEFFICIENTS_2[e%
6])})}mulByFp2({c0:t,c1:e,c2:r},o){let{Fp2:s}=this;return Object.freeze({c0:s.mul(t,o),c1:s.mul(e,o),c2:s.mul(r,o)})}mulByNonresidue({c0:t,c1:e,c2:r}){let{Fp2:o}=this;
return Object.freeze({c0:o.mulByNonresidue(r),c1:t,c2:e})}mul1({c0:t,c1:e,c2:r},o){let{Fp2:s}=this;return Object.freeze({c0:s.mulByNonresidue(s.mul(r,o)),c1:s.mul(
t,o),c2:s.mul(e,o)})}mul01({c0:t,c1:e,c2:r},o,s){let{Fp2:c}=this,i=c.mul(t,o),a=c.mul(e,s);return Object.freeze({c0:c.add(c.mulByNonresidue(c.sub(c.mul(c.add(e,
r),s),a)),i),c1:c.sub(c.sub(c.mul(c.add(o,s),c.add(t,e)),i),a),c2:c.add(c.sub(c.mul(c.add(t,r),o),i),a)})}},Ne=new WeakMap,pn=class{ORDER;BITS;BYTES;isLE;ZERO;ONE;Fp6;X_LEN;finalExponentiate;constructor(t,e){
let{X_LEN:r,Fp12finalExponentiate:o}=e,{Fp2:s}=t,{Fp:c}=s;this.Fp6=t,this.ORDER=c.ORDER**Ko,this.BITS=2*t.BITS,this.BYTES=2*t.BYTES,this.isLE=t.isLE,this.ZERO=this.
create({c0:t.ZERO,c1:t.ZERO}),this.ONE=this.create({c0:t.ONE,c1:t.ZERO}),this.X_LEN=r,this.finalExponentiate=i=>{let a=({c0:u,c1:m})=>Object.freeze({c0:u,c1:m}),
f=({c0:u,c1:m,c2:h})=>Object.freeze({c0:a(u),c1:a(m),c2:a(h)}),d=o(i);return Object.freeze({c0:f(d.c0),c1:f(d.c1)})},Object.freeze(this)}get FROBENIUS_COEFFICIENTS(){
let t=xr.get(this);if(t)return t;let{Fp2:e}=this.Fp6,{Fp:r}=e,o=Object.freeze(gr(e,e.NONRESIDUE,r.ORDER,12,1,6)[0]);return xr.set(this,o),o}create(t){let{Fp6:e}=this,
r=e.create(t.c0),o=e.create(t.c1);return Object.freeze({c0:r,c1:o})}isValid(t){if(!Dt(t))throw new TypeError("invalid field element: expected object, got "+typeof t);
let{c0:e,c1:r}=t,{Fp6:o}=this;return o.isValid(e)&&o.isValid(r)}is0(t){if(!Dt(t))return!1;let{c0:e,c1:r}=t,{Fp6:o}=this;return o.is0(e)&&o.is0(r)}isValidNot0(t){
return!this.is0(t)&&this.isValid(t)}neg({c0:t,c1:e}){let{Fp6:r}=this;return Object.freeze({c0:r.neg(t),c1:r.neg(e)})}eql({c0:t,c1:e},{c0:r,c1:o}){let{Fp6:s}=this;
return s.eql(t,r)&&s.eql(e,o)}sqrt(t){return lt()}inv({c0:t,c1:e}){let{Fp6:r}=this,o=r.inv(r.sub(r.sqr(t),r.mulByNonresidue(r.sqr(e))));return Object.freeze({c0:r.
mul(t,o),c1:r.neg(r.mul(e,o))})}div(t,e){let{Fp6:r}=this,{Fp2:o}=r,{Fp:s}=o;return this.mul(t,typeof e=="bigint"?s.inv(s.create(e)):this.inv(e))}pow(t,e){return Re(
this,t,e)}invertBatch(t){return ht(this,t,!0)}add({c0:t,c1:e},{c0:r,c1:o}){let{Fp6:s}=this;return Object.freeze({c0:s.add(t,r),c1:s.add(e,o)})}sub({c0:t,c1:e},{
c0:r,c1:o}){let{Fp6:s}=this;return Object.freeze({c0:s.sub(t,r),c1:s.sub(e,o)})}mul({c0:t,c1:e},r){let{Fp6:o}=this;if(typeof r=="bigint")return Object.freeze({c0:o.
mul(t,r),c1:o.mul(e,r)});let{c0:s,c1:c}=r,i=o.mul(t,s),a=o.mul(e,c);return Object.freeze({c0:o.add(i,o.mulByNonresidue(a)),c1:o.sub(o.mul(o.add(t,e),o.add(s,c)),
o.add(i,a))})}sqr({c0:t,c1:e}){let{Fp6:r}=this,o=r.mul(t,e);return Object.freeze({c0:r.sub(r.sub(r.mul(r.add(r.mulByNonresidue(e),t),r.add(t,e)),o),r.mulByNonresidue(
o)),c1:r.add(o,o)})}addN(t,e){return this.add(t,e)}subN(t,e){return this.sub(t,e)}mulN(t,e){return this.mul(t,e)}sqrN(t){return this.sqr(t)}fromBytes(t){let{Fp6:e}=this;
if(M(t),t.length!==this.BYTES)throw new Error("fromBytes invalid length="+t.length);return this.create({c0:e.fromBytes(t.subarray(0,e.BYTES)),c1:e.fromBytes(t.subarray(
e.BYTES))})}toBytes({c0:t,c1:e}){let{Fp6:r}=this;return Q(r.toBytes(t),r.toBytes(e))}cmov({c0:t,c1:e},{c0:r,c1:o},s){let{Fp6:c}=this;return this.create({c0:c.cmov(
t,r,s),c1:c.cmov(e,o,s)})}fromBigTwelve(t){let{Fp6:e}=this;if(!Array.isArray(t)||t.length!==12)throw new Error("invalid Fp12.fromBigTwelve");for(let o=0;o<12;o++)
if(typeof t[o]!="bigint")throw new Error("invalid Fp12.fromBigTwelve");let r=t;return this.create({c0:e.fromBigSix(r.slice(0,6)),c1:e.fromBigSix(r.slice(6,12))})}frobeniusMap(t,e){
let r=e%12;if(r===0)return Object.freeze({c0:t.c0,c1:t.c1});if(r===6)return this.conjugate(t);let{Fp6:o}=this,{Fp2:s}=o,{c0:c,c1:i,c2:a}=o.frobeniusMap(t.c1,e),
f=this.FROBENIUS_COEFFICIENTS[r];return Object.freeze({c0:o.frobeniusMap(t.c0,e),c1:Object.freeze({c0:s.mul(c,f),c1:s.mul(i,f),c2:s.mul(a,f)})})}mulByFp2({c0:t,
c1:e},r){let{Fp6:o}=this;return Object.freeze({c0:o.mulByFp2(t,r),c1:o.mulByFp2(e,r)})}conjugate({c0:t,c1:e}){return Object.freeze({c0:t,c1:this.Fp6.neg(e)})}_cyclotomicSquare({
c0:t,c1:e}){let{Fp6:r}=this,{Fp2:o}=r,{c0:s,c1:c,c2:i}=t,{c0:a,c1:f,c2:d}=e,{first:u,second:m}=o.Fp4Square(s,f),{first:h,second:p}=o.Fp4Square(a,i),{first:x,second:l}=o.
Fp4Square(c,d),w=o.mulByNonresidue(l);return Object.freeze({c0:Object.freeze({c0:o.add(o.mul(o.sub(u,s),et),u),c1:o.add(o.mul(o.sub(h,c),et),h),c2:o.add(o.mul(o.
sub(x,i),et),x)}),c1:Object.freeze({c0:o.add(o.mul(o.add(w,a),et),w),c1:o.add(o.mul(o.add(m,f),et),m),c2:o.add(o.mul(o.add(p,d),et),p)})})}_cyclotomicExp(t,e){if(Oe(
"cyclotomic exponent",e,ln,vt<<BigInt(this.X_LEN)),e===ln)return this.ONE;let r=t;for(let o=at(e)-2;o>=0;o--)r=this._cyclotomicSquare(r),zn(e,o)&&(r=this.mul(r,
t));return r}},xr=new WeakMap;function wr(n){if(J(n,{ORDER:"bigint",X_LEN:"number",FP2_NONRESIDUE:"object",Fp2mulByB:"function",Fp12finalExponentiate:"function"},
{NONRESIDUE:"bigint"}),Y(n.X_LEN,"X_LEN"),n.X_LEN<1)throw new Error("invalid X_LEN");let t=n.FP2_NONRESIDUE;if(!Array.isArray(t)||t.length!==2)throw new Error("\
invalid FP2_NONRESIDUE");if(typeof t[0]!="bigint"||typeof t[1]!="bigint")throw new Error("invalid FP2_NONRESIDUE");let e=St(n.ORDER),r=new hn(e,n),o=new bn(r),s=new pn(
o,n);return{Fp:e,Fp2:r,Fp6:o,Fp12:s}}var En=BigInt(0),Er=BigInt(1),Ae=BigInt(2),Pt=BigInt(3),Wt=BigInt(4),Ut=BigInt("0xd201000000010000"),Qo=at(Ut),fe={p:BigInt("0x1a0111ea397fe69a4b1ba7b6434bacd76\
4774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab"),n:BigInt("0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001"),h:BigInt("0x396\
c8c005555e1568c00aaab0000aaab"),a:En,b:Wt,Gx:BigInt("0x17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb"),Gy:BigInt(
"0x08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04b3edd03cc744a2888ae40caa232946c5e7e1")},Bn=St(fe.n,{modFromBytes:!0});function Jo(n,t,{g2:e,g3:r,
g4:o,g5:s}){return{c0:{c0:n,c1:o,c2:r},c1:{c0:e,c1:t,c2:s}}}function ts({c0:n,c1:t}){return{g2:t.c0,g3:n.c2,g4:n.c1,g5:t.c2}}function es({g2:n,g3:t,g4:e,g5:r}){
let{first:o,second:s}=_.Fp4Square(e,r),{first:c,second:i}=_.Fp4Square(n,t),a=_.add(n,n),f=_.add(t,t),d=_.add(e,e),u=_.add(r,r);return{g2:_.add(_.mul(_.mulByNonresidue(
s),Pt),a),g3:_.sub(_.mul(o,Pt),f),g4:_.sub(_.mul(c,Pt),d),g5:_.add(_.mul(i,Pt),u)}}function ns({g2:n,g3:t,g4:e,g5:r}){return _.is0(n)?{num:_.mul(_.mul(e,r),Ae),
den:t}:{num:_.add(_.sub(_.mul(_.sqr(e),Pt),_.mul(t,Ae)),_.mulByNonresidue(_.sqr(r))),den:_.mul(n,Wt)}}function rs(n,{g2:t,g3:e,g4:r,g5:o}){let s=_.mul(e,r),c=_.
add(_.sub(_.mul(_.sub(_.sqr(n),s),Ae),s),_.mul(t,o));return _.add(_.mulByNonresidue(c),_.ONE)}function os(n,t){let e=[],r=ts(n);for(let a of t){for(let f=0;f<a;f++)
r=es(r);e.push(r)}let o=e.map(({g2:a,g3:f})=>_.is0(a)&&_.is0(f)),s=e.map(ns),c=_.invertBatch(s.map(({den:a})=>a)),i=e.map((a,f)=>{if(o[f])return q.ONE;let d=_.mul(
s[f].num,c[f]);return Jo(rs(d,a),d,a)});return{result:q.mul(q.mul(i[0],i[1]),i[2]),last:i[2]}}function ss(n){let{result:t,last:e}=os(n,[16,32,9]),r=t,o=e;for(let s=0;s<
3;s++)o=q._cyclotomicSquare(o);r=q.mul(r,o);for(let s=0;s<2;s++)o=q._cyclotomicSquare(o);return r=q.mul(r,o),o=q._cyclotomicSquare(o),q.mul(r,o)}var{Fp:k,Fp2:_,
Fp6:cs,Fp12:q}=wr({ORDER:fe.p,X_LEN:Qo,FP2_NONRESIDUE:[Er,Er],Fp2mulByB:({c0:n,c1:t})=>{let e=k.mul(n,Wt),r=k.mul(t,Wt);return{c0:k.sub(e,r),c1:k.add(e,r)}},Fp12finalExponentiate:n=>{
let t=p=>q.conjugate(ss(p)),e=q.div(q.frobeniusMap(n,6),n),r=q.mul(q.frobeniusMap(e,2),e),o=t(r),s=q.mul(q.conjugate(q._cyclotomicSquare(r)),o),c=t(s),i=t(c),a=q.
mul(t(i),q._cyclotomicSquare(o)),f=t(a),d=q.frobeniusMap(q.mul(o,i),2),u=q.frobeniusMap(q.mul(c,r),3),m=q.frobeniusMap(q.mul(a,q.conjugate(r)),1),h=q.mul(q.mul(
f,q.conjugate(s)),r);return q.mul(q.mul(q.mul(d,u),m),h)}}),Br,Ar=()=>Br||(Br=yr(k,_,_.div(_.ONE,_.NONRESIDUE))),yn=(n,t)=>{let e=Ar().G2psi;return yn=e,e(n,t)},
Lr=(n,t)=>{let e=Ar().G2psi2;return Lr=e,e(n,t)},mn=Object.freeze({DST:"BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_",encodeDST:"BLS_SIG_BLS12381G2_XMD:SHA-256_S\
SWU_RO_NUL_",p:k.ORDER,m:2,k:128,expand:"xmd",hash:Cn}),jr={p:_.ORDER,n:fe.n,h:BigInt("0x5d543a95414e7f1091d50792876a202cd91de4547085abaa68a205b2e5a7ddfa628f1cb\
4d9e82ef21537e293a6691ae1616ec6e786f0c70cf1c38e31c7238e5"),a:_.ZERO,b:_.fromBigTuple([Wt,Wt]),Gx:_.fromBigTuple([BigInt("0x024aa2b2f08f0a91260805272dc51051c6e47\
ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8"),BigInt("0x13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d05\
5d042b7e")]),Gy:_.fromBigTuple([BigInt("0x0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160d12c923ac9cc3baca289e193548608b82801"),BigInt("0x0606c4a02\
ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e99ab3f370d275cec1da1aaa9075ff05f79be")])},Or=(n,t)=>{for(let e of n)if(e!==En)return!!(e*Ae/t);return!1},Sr={
encode({c0:n,c1:t}){let{BYTES:e}=k;return Q(Ot(t,e),Ot(n,e))},decode(n){let{BYTES:t}=k;return _.create({c0:wn(n.subarray(t)),c1:wn(n.subarray(0,t))})}},_r=k;function wn(n){
return k.fromBytes(n)}var qr=(n,t,e,r,o,s)=>{let c=t,i=r,a=o,f=c.BYTES;return d=>({encode(u,m=!0){if(!m&&!d)throw new Error("invalid signature: expected compres\
sed encoding");let h=u.is0(),{x:p,y:x}=u.toAffine(),l=m?i(p):Q(i(p),i(x)),w;return m&&!h&&(w=Or(s(x),_r.ORDER)),as(l,{compressed:m,infinity:h,sort:w})},decode(u){
let m=d?M(u,void 0,"point"):M(u,f,"signature"),{compressed:h,infinity:p,sort:x,value:l}=is(m);if(!d&&!h)throw new Error("invalid signature: expected compressed \
encoding");let w=h?f:2*f;if(l.length!==w)throw new Error(`invalid ${n} point: expected ${w} bytes`);if(p){for(let C of l)if(C)throw new Error(`invalid ${n} poin\
t: non-canonical zero`);return{x:c.ZERO,y:c.ZERO}}let R=a(h?l:l.subarray(0,f)),A;if(h){if(A=c.sqrt(c.add(c.pow(R,Pt),e)),!A)throw new Error(`invalid ${n} point:\
 compressed`);Or(s(A),_r.ORDER)!==x&&(A=c.neg(A))}else A=a(l.subarray(f));if(!h&&c.is0(R)&&c.is0(A))throw new Error(`invalid ${n} point: uncompressed`);return{x:R,
y:A}}})};function Dr({compressed:n,infinity:t,sort:e}){if(!n&&!t&&e||!n&&t&&e||n&&t&&e)throw new Error("invalid encoding flag")}function is(n){n=Gt(n);let t=n[0]&
224,e=!!(t>>7&1),r=!!(t>>6&1),o=!!(t>>5&1);return Dr({compressed:e,infinity:r,sort:o}),n[0]&=31,{compressed:e,infinity:r,sort:o,value:n}}function as(n,t){if(n[0]&
224)throw new Error("setMask: non-empty mask");return Dr({compressed:!!t.compressed,infinity:!!t.infinity,sort:!!t.sort}),t.compressed&&(n[0]|=128),t.infinity&&
(n[0]|=64),t.sort&&(n[0]|=32),n}var vr=qr("G1",k,k.create(fe.b),n=>Ot(n,k.BYTES),wn,n=>[n]),Le={point:vr(!0),sig:vr(!1)},xn=n=>(n.assertValidity(),Le.sig.encode(
n));function Rr(n){let e=Rt.G1.Point.fromAffine(Le.sig.decode(n));return e.assertValidity(),e}var Fr=qr("G2",_,jr.b,Sr.encode,Sr.decode,n=>[n.c1,n.c0]),je={point:Fr(
!0),sig:Fr(!1)},gn=n=>(n.assertValidity(),je.sig.encode(n));function Tr(n){let e=Rt.G2.Point.fromAffine(je.sig.decode(n));return e.assertValidity(),e}var fs={ShortSignature:{
fromBytes(n){return Rr(M(n))},fromHex(n){return Rr(ce(n))},toBytes(n){return xn(n)},toRawBytes(n){return xn(n)},toHex(n){return se(xn(n))}},LongSignature:{fromBytes(n){
return Tr(M(n))},fromHex(n){return Tr(ce(n))},toBytes(n){return gn(n)},toRawBytes(n){return gn(n)},toHex(n){return se(gn(n))}}},ds={Fp:k,Fp2:_,Fp6:cs,Fp12:q,Fr:Bn},
us=dn(fe,{allowInfinityPoint:!0,Fn:Bn,fromBytes:Le.point.decode,toBytes:(n,t,e)=>Le.point.encode(t,e),isTorsionFree:(n,t)=>{let e=BigInt("0x5f19672fdf76ce51ba69\
c6076a0f77eaddb3a93be6f89688de17d813620a00022e01fffffffefffe"),r=new n(k.mul(t.X,e),t.Y,t.Z);return t.multiplyUnsafe(Ut).negate().multiplyUnsafe(Ut).equals(r)},
clearCofactor:(n,t)=>t.multiplyUnsafe(Ut).add(t)}),ls=dn(jr,{Fp:_,allowInfinityPoint:!0,Fn:Bn,fromBytes:je.point.decode,toBytes:(n,t,e)=>je.point.encode(t,e),isTorsionFree:(n,t)=>t.
multiplyUnsafe(Ut).negate().equals(yn(n,t)),clearCofactor:(n,t)=>{let e=Ut,r=t.multiplyUnsafe(e).negate(),o=yn(n,t),s=t.double();return s=Lr(n,s),s=s.subtract(o),
o=r.add(o),o=o.multiplyUnsafe(e).negate(),s=s.add(o),s=s.subtract(r),s.subtract(t)}}),hs={mapToG1:ys,mapToG2:ws,hasherOpts:mn,hasherOptsG1:{...mn,m:1,DST:"BLS_S\
IG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_",encodeDST:"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_"},hasherOptsG2:{...mn}},bs={ateLoopSize:Ut,xNegative:!0,twistType:"\
multiplicative",randomBytes:Zt},Rt=pr(ds,us,ls,bs,hs,fs),ps=sn(_,[[["0x5c759507e8e333ebb5b7a9a47d7ed8532c52d39fd3a042a88b58423c50ae15d5c2638e343d9c71c6238aaaaaa\
aa97d6","0x5c759507e8e333ebb5b7a9a47d7ed8532c52d39fd3a042a88b58423c50ae15d5c2638e343d9c71c6238aaaaaaaa97d6"],["0x0","0x11560bf17baa99bc32126fced787c88f984f87adf\
7ae0c7f9a208c6b4f20a4181472aaa9cb8d555526a9ffffffffc71a"],["0x11560bf17baa99bc32126fced787c88f984f87adf7ae0c7f9a208c6b4f20a4181472aaa9cb8d555526a9ffffffffc71e",
"0x8ab05f8bdd54cde190937e76bc3e447cc27c3d6fbd7063fcd104635a790520c0a395554e5c6aaaa9354ffffffffe38d"],["0x171d6541fa38ccfaed6dea691f5fb614cb14b4e7f4e810aa22d6108\
f142b85757098e38d0f671c7188e2aaaaaaaa5ed1","0x0"]],[["0x0","0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaa63"],
["0xc","0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaa9f"],["0x1","0x0"]],[["0x1530477c7ab4113b59a4c18b076d119\
30f7da5d4a07f649bf54439d87d27e500fc8c25ebf8c92f6812cfc71c71c6d706","0x1530477c7ab4113b59a4c18b076d11930f7da5d4a07f649bf54439d87d27e500fc8c25ebf8c92f6812cfc71c71\
c6d706"],["0x0","0x5c759507e8e333ebb5b7a9a47d7ed8532c52d39fd3a042a88b58423c50ae15d5c2638e343d9c71c6238aaaaaaaa97be"],["0x11560bf17baa99bc32126fced787c88f984f87a\
df7ae0c7f9a208c6b4f20a4181472aaa9cb8d555526a9ffffffffc71c","0x8ab05f8bdd54cde190937e76bc3e447cc27c3d6fbd7063fcd104635a790520c0a395554e5c6aaaa9354ffffffffe38f"],
["0x124c9ad43b6cf79bfbf7043de3811ad0761b0f37a1e26286b0e977c69aa274524e79097a56dc4bd9e1b371c71c718b10","0x0"]],[["0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f3851\
2bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffa8fb","0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffa8fb"],["0x0",
"0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffa9d3"],["0x12","0x1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512b\
f6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaa99"],["0x1","0x0"]]].map(n=>n.map(t=>_.fromBigTuple(t.map(BigInt))))),ms=sn(k,[["0x11a05f2b1e833340b809101dd99815\
856b303e88a2d7005ff2627b56cdb4e2c85610c2d5f2e62d6eaeac1662734649b7","0x17294ed3e943ab2f0588bab22147a81c7c17e75b2f6a8417f565e33c70d1e86b4838f2a6f318c356e834eef1b\
3cb83bb","0xd54005db97678ec1d1048c5d10a9a1bce032473295983e56878e501ec68e25c958c3e3d2a09729fe0179f9dac9edcb0","0x1778e7166fcc6db74e0609d307e55412d7f5e4656a8dbf25\
f1b33289f1b330835336e25ce3107193c5b388641d9b6861","0xe99726a3199f4436642b4b3e4118e5499db995a1257fb3f086eeb65982fac18985a286f301e77c451154ce9ac8895d9","0x1630c32\
50d7313ff01d1201bf7a74ab5db3cb17dd952799b9ed3ab9097e68f90a0870d2dcae73d19cd13c1c66f652983","0xd6ed6553fe44d296a3726c38ae652bfb11586264f0f8ce19008e218f9c86b2a8da\
25128c1052ecaddd7f225a139ed84","0x17b81e7701abdbe2e8743884d1117e53356de5ab275b4db1a682c62ef0f2753339b7c8f8c8f475af9ccb5618e3f0c88e","0x80d3cf1f9a78fc47b90b33563\
be990dc43b756ce79f5574a2c596c928c5d1de4fa295f296b74e956d71986a8497e317","0x169b1f8e1bcfa7c42e0c37515d138f22dd2ecb803a0c5c99676314baf4bb1b7fa3190b2edc0327797f241\
067be390c9e","0x10321da079ce07e272d8ec09d2565b0dfa7dccdde6787f96d50af36003b14866f69b771f8c285decca67df3f1605fb7b","0x6e08c248e260e70bd1e962381edee3d31d79d7e22c8\
37bc23c0bf1bc24c6b68c24b1b80b64d391fa9c8ba2e8ba2d229"],["0x8ca8d548cff19ae18b2e62f4bd3fa6f01d5ef4ba35b48ba9c9588617fc8ac62b558d681be343df8993cf9fa40d21b1c","0x1\
2561a5deb559c4348b4711298e536367041e8ca0cf0800c0126c2588c48bf5713daa8846cb026e9e5c8276ec82b3bff","0xb2962fe57a3225e8137e629bff2991f6f89416f5a718cd1fca64e00b11ac\
eacd6a3d0967c94fedcfcc239ba5cb83e19","0x3425581a58ae2fec83aafef7c40eb545b08243f16b1655154cca8abc28d6fd04976d5243eecf5c4130de8938dc62cd8","0x13a8e162022914a80a6f\
1d5f43e7a07dffdfc759a12062bb8d6b44e833b306da9bd29ba81f35781d539d395b3532a21e","0xe7355f8e4e667b955390f7f0506c6e9395735e9ce9cad4d0a43bcef24b8982f7400d24bc4228f11\
c02df9a29f6304a5","0x772caacf16936190f3e0c63e0596721570f5799af53a1894e2e073062aede9cea73b3538f0de06cec2574496ee84a3a","0x14a7ac2a9d64a8b230b3f5b074cf01996e7f63c\
21bca68a81996e1cdf9822c580fa5b9489d11e2d311f7d99bbdcc5a5e","0xa10ecf6ada54f825e920b3dafc7a3cce07f8d1d7161366b74100da67f39883503826692abba43704776ec3a79a1d641","\
0x95fc13ab9e92ad4476d6e3eb3a56680f682b4ee96f7d03776df533978f31c1593174e4b4b7865002d6384d168ecdd0a","0x0000000000000000000000000000000000000000000000000000000000\
00000000000000000000000000000000000001"],["0x90d97c81ba24ee0259d1f094980dcfa11ad138e48a869522b52af6c956543d3cd0c7aee9b3ba3c2be9845719707bb33","0x134996a104ee581\
1d51036d776fb46831223e96c254f383d0f906343eb67ad34d6c56711962fa8bfe097e75a2e41c696","0xcc786baa966e66f4a384c86a3b49942552e2d658a31ce2c344be4b91400da7d26d521628b0\
0523b8dfe240c72de1f6","0x1f86376e8981c217898751ad8746757d42aa7b90eeb791c09e4a3ec03251cf9de405aba9ec61deca6355c77b0e5f4cb","0x8cc03fdefe0ff135caf4fe2a21529c41955\
36fbe3ce50b879833fd221351adc2ee7f8dc099040a841b6daecf2e8fedb","0x16603fca40634b6a2211e11db8f0a6a074a7d0d4afadb7bd76505c3d3ad5544e203f6326c95a807299b23ab13633a5f\
0","0x4ab0b9bcfac1bbcb2c977d027796b3ce75bb8ca2be184cb5231413c4d634f3747a87ac2460f415ec961f8855fe9d6f2","0x987c8d5333ab86fde9926bd2ca6c674170a05bfe3bdd81ffd038da\
6c26c842642f64550fedfe935a15e4ca31870fb29","0x9fc4018bd96684be88c9e221e4da1bb8f3abd16679dc26c1e8b6e6a1f20cabe69d65201c78607a360370e577bdba587","0xe1bba7a1186bdb\
5223abde7ada14a23c42a0ca7915af6fe06985e7ed1e4d43b9b3f7055dd4eba6f2bafaaebca731c30","0x19713e47937cd1be0dfd0b8f1d43fb93cd2fcbcb6caf493fd1183e416389e61031bf3a5cce\
3fbafce813711ad011c132","0x18b46a908f36f6deb918c143fed2edcc523559b8aaf0c2462e6bfe7f911f643249d9cdf41b44d606ce07c8a4d0074d8e","0xb182cac101b9399d155096004f53f447\
aa7b12a3426b08ec02710e807b4633f06c851c1919211f20d4c04f00b971ef8","0x245a394ad1eca9b72fc00ae7be315dc757b3b080d4c158013e6632d3c40659cc6cf90ad1c232a6442d9d3f5db980\
133","0x5c129645e44cf1102a159f748c4a3fc5e673d81d7e86568d9ab0f5d396a7ce46ba1049b6579afb7866b1e715475224b","0x15e6be4e990f03ce4ea50b3b42df2eb5cb181d8f84965a3957ad\
d4fa95af01b2b665027efec01c7704b456be69c8b604"],["0x16112c4c3a9c98b252181140fad0eae9601a6de578980be6eec3232b5be72e7a07f3688ef60c206d01479253b03663c1","0x1962d75c\
2381201e1a0cbd6c43c348b885c84ff731c4d59ca4a10356f453e01f78a4260763529e3532f6102c2e49a03d","0x58df3306640da276faaae7d6e8eb15778c4855551ae7f310c35a5dd279cd2eca675\
7cd636f96f891e2538b53dbf67f2","0x16b7d288798e5395f20d23bf89edb4d1d115c5dbddbcd30e123da489e726af41727364f2c28297ada8d26d98445f5416","0xbe0e079545f43e4b00cc912f82\
28ddcc6d19c9f0f69bbb0542eda0fc9dec916a20b15dc0fd2ededda39142311a5001d","0x8d9e5297186db2d9fb266eaac783182b70152c65550d881c5ecd87b6f0f5a6449f38db9dfa9cce202c6477\
faaf9b7ac","0x166007c08a99db2fc3ba8734ace9824b5eecfdfa8d0cf8ef5dd365bc400a0051d5fa9c01a58b1fb93d1a1399126a775c","0x16a3ef08be3ea7ea03bcddfabba6ff6ee5a4375efa1f4\
fd7feb34fd206357132b920f5b00801dee460ee415a15812ed9","0x1866c8ed336c61231a1be54fd1d74cc4f9fb0ce4c6af5920abc5750c4bf39b4852cfe2f7bb9248836b233d9d55535d4a","0x167\
a55cda70a6e1cea820597d94a84903216f763e13d87bb5308592e7ea7d4fbc7385ea3d529b35e346ef48bb8913f55","0x4d2f259eea405bd48f010a01ad2911d9c6dd039bb61a6290e591b36e636a5c\
871a5c29f4f83060400f8b49cba8f6aa8","0xaccbb67481d033ff5852c1e48c50c477f94ff8aefce42d28c0f9a88cea7913516f968986f7ebbea9684b529e2561092","0xad6b9514c767fe3c361314\
4b45f1496543346d98adf02267d5ceef9a00d9b8693000763e3b90ac11e99b138573345cc","0x2660400eb2e4f3b628bdd0d53cd76f2bf565b94e72927c1cb748df27942480e420517bd8714cc80d1f\
adc1326ed06f7","0xe0fa1d816ddc03e6b24255e0d7819c171c40f65e273b853324efcd6356caa205ca2f570f13497804415473a1d634b8f","0x000000000000000000000000000000000000000000\
000000000000000000000000000000000000000000000000000001"]].map(n=>n.map(t=>BigInt(t)))),Ir,Nr,xs=()=>Ir||(Ir=an(k,{A:k.create(BigInt("0x144698a3b8e9433d693a02c96\
d4982b0ea985383ee66a8d8e8981aefd881ac98936f8da0e0f97f5cf428082d584c1d")),B:k.create(BigInt("0x12e2908d11688030018b12e8753eee3b2016c1f0f24f4070a0b9c14fcef35ef55a\
23215a316ceaa5d1cc48e98e172be0")),Z:k.create(BigInt(11))})),gs=()=>Nr||(Nr=an(_,{A:_.create({c0:k.create(En),c1:k.create(BigInt(240))}),B:_.create({c0:k.create(
BigInt(1012)),c1:k.create(BigInt(1012))}),Z:_.create({c0:k.create(BigInt(-2)),c1:k.create(BigInt(-1))})}));function ys(n){let{x:t,y:e}=xs()(k.create(n[0]));return ms(
t,e)}function ws(n){let{x:t,y:e}=gs()(_.fromBigTuple(n));return ps(t,e)}function Ur(n){let t=new On(n),e=t.item(0);if(t.at!==n.length)throw new Error(`${n.length-t.at} bytes after the end`);return e}var On=class{constructor(t){this.
data=t,this.at=0}take(t){if(t>this.data.length-this.at)throw new Error("the message ends too early");return this.at+=t,this.data.subarray(this.at-t,this.at)}head(){
let t=this.take(1)[0],e=t&31;if(e<24)return[t>>5,BigInt(e)];if(e>27)throw new Error("an indefinite or reserved length");let r=0n,o=1<<e-24;for(let s of this.take(
o))r=r<<8n|BigInt(s);if(r<(o===1?24n:1n<<BigInt(4*o)))throw new Error("an integer is longer than needed");return[t>>5,r]}item(t){if(t>12)throw new Error("too ma\
ny arrays inside each other");let[e,r]=this.head();switch(e){case 0:return r;case 1:return-1n-r;case 2:return this.take(this.length(r));case 4:return Array.from(
{length:this.length(r)},()=>this.item(t+1));default:throw new Error("a kind of value that a certificate does not have")}}length(t){if(t>BigInt(this.data.length-
this.at))throw new Error("the message ends too early");return Number(t)}};var Es=BigInt(0),de=BigInt(1),Bs=BigInt(2),Os=BigInt(7),Ss=BigInt(256),_s=BigInt(113),Hr=[],zr=[],Mr=[];for(let n=0,t=de,e=1,r=0;n<24;n++){[e,r]=[r,(2*e+3*r)%5],
Hr.push(2*(5*r+e)),zr.push((n+1)*(n+2)/2%64);let o=Es;for(let s=0;s<7;s++)t=(t<<de^(t>>Os)*_s)%Ss,t&Bs&&(o^=de<<(de<<BigInt(s))-de);Mr.push(o)}var Zr=Rn(Mr,!0),
vs=Zr[0],Rs=Zr[1],Fs=(n,t,e)=>n<<e|t>>>32-e,Ts=(n,t,e)=>t<<e|n>>>32-e,Is=(n,t,e)=>t<<e-32|n>>>64-e,Ns=(n,t,e)=>n<<e-32|t>>>64-e,kr=(n,t,e)=>e>32?Is(n,t,e):Fs(n,
t,e),Cr=(n,t,e)=>e>32?Ns(n,t,e):Ts(n,t,e),Kt=new Uint32Array(10);function As(n,t=24){if(!(n instanceof Uint32Array))throw new TypeError('"s" expected Uint32Arra\
y(50), got type='+typeof n);if(n.length!==50)throw new RangeError('"s" expected Uint32Array(50), got length='+n.length);if(ct(t,"rounds"),t<1||t>24)throw new Error(
'"rounds" expected integer 1..24');for(let e=24-t;e<24;e++){for(let s=0;s<10;s++)Kt[s]=n[s]^n[s+10]^n[s+20]^n[s+30]^n[s+40];for(let s=0;s<10;s+=2){let c=(s+8)%10,
i=(s+2)%10,a=Kt[i],f=Kt[i+1],d=kr(a,f,1)^Kt[c],u=Cr(a,f,1)^Kt[c+1];for(let m=0;m<50;m+=10)n[s+m]^=d,n[s+m+1]^=u}let r=n[2],o=n[3];for(let s=0;s<24;s++){let c=zr[s],
i=kr(r,o,c),a=Cr(r,o,c),f=Hr[s];r=n[f],o=n[f+1],n[f]=i,n[f+1]=a}for(let s=0;s<50;s+=10){let c=n[s],i=n[s+1],a=n[s+2],f=n[s+3];n[s]^=~n[s+2]&n[s+4],n[s+1]^=~n[s+
3]&n[s+5],n[s+2]^=~n[s+4]&n[s+6],n[s+3]^=~n[s+5]&n[s+7],n[s+4]^=~n[s+6]&n[s+8],n[s+5]^=~n[s+7]&n[s+9],n[s+6]^=~n[s+8]&c,n[s+7]^=~n[s+9]&i,n[s+8]^=~c&a,n[s+9]^=~i&
f}n[0]^=vs[e],n[1]^=Rs[e]}Mt(Kt)}var Sn=class n{state;pos=0;posOut=0;finished=!1;state32;destroyed=!1;blockLen;suffix;outputLen;canXOF;enableXOF=!1;rounds;constructor(t,e,r,o=!1,s=24){
if(ct(t,"blockLen"),ct(e,"suffix"),ct(s,"rounds"),Nn(o,"enableXOF"),this.blockLen=t,this.suffix=e,this.outputLen=r,this.enableXOF=o,this.canXOF=o,this.rounds=s,
ct(r,"outputLen"),!(0<t&&t<200))throw new Error('"blockLen" must be 1..199');this.state=new Uint8Array(200),this.state32=He(this.state)}clone(){return this._cloneInto()}keccak(){
ze(this.state32),As(this.state32,this.rounds),ze(this.state32),this.posOut=0,this.pos=0}update(t){zt(this),dt(t);let{blockLen:e,state:r,state32:o}=this,s=t.length,
c=e%4===0&&t.byteOffset%4===0,i=e/4,a=c&&s>=e?He(t):void 0;for(let f=0;f<s;){if(a!==void 0&&this.pos===0&&f%4===0&&s-f>=e){for(let u=0,m=f/4;u<i;u++)o[u]^=a[m+u];
f+=e,this.pos=e,this.keccak();continue}let d=Math.min(e-this.pos,s-f);for(let u=0;u<d;u++)r[this.pos++]^=t[f++];this.pos===e&&this.keccak()}return this}finish(){
if(this.finished)return;this.finished=!0;let{state:t,suffix:e,pos:r,blockLen:o}=this;t[r]^=e,(e&128)!==0&&r===o-1&&this.keccak(),t[o-1]^=128,this.keccak()}writeInto(t){
zt(this,!1),dt(t),this.finish();let e=this.state,{blockLen:r}=this;for(let o=0,s=t.length;o<s;){this.posOut>=r&&this.keccak();let c=Math.min(r-this.posOut,s-o);
t.set(e.subarray(this.posOut,this.posOut+c),o),this.posOut+=c,o+=c}return t}xofInto(t){if(!this.enableXOF)throw new Error("XOF is not enabled");return this.writeInto(
t)}xof(t){return ct(t),this.xofInto(new Uint8Array(t))}digestInto(t){if(me(t,this),this.finished)throw new Error("digest() was already called");this.writeInto(t.
length===this.outputLen?t:t.subarray(0,this.outputLen)),this.destroy()}digest(){let t=new Uint8Array(this.outputLen);return this.digestInto(t),t}destroy(){this.
destroyed=!0,Mt(this.state)}_cloneInto(t){let{blockLen:e,suffix:r,outputLen:o,rounds:s,enableXOF:c}=this;return t||=new n(e,r,o,c,s),t.blockLen=e,t.state32.set(
this.state32),t.pos=this.pos,t.posOut=this.posOut,t.finished=this.finished,t.rounds=s,t.suffix=r,t.outputLen=o,t.enableXOF=c,t.canXOF=this.canXOF,t.destroyed=this.
destroyed,t}},Ls=(n,t,e,r={})=>ye(()=>new Sn(t,n,e),r);var Gr=Ls(1,136,32);var qe=84,Yr=16,js=64,$r=256,Vr=256,Xr=1n<<256n,pt=n=>"0x"+Array.from(n,t=>t.toString(16).padStart(2,"0")).join(""),ue=n=>Gr(n);function _n(...n){let t=new Uint8Array(
n.reduce((r,o)=>r+o.length,0)),e=0;for(let r of n)t.set(r,e),e+=r.length;return t}function Pr(n){let t=0n;for(let e of n)t=t<<8n|BigInt(e);return t}function qs(n){
let t=new Uint8Array(32);if(n instanceof Uint8Array)return t.set(n,32-n.length),t;for(let e=BigInt(n),r=31;e>0n;e>>=8n,r-=1)t[r]=Number(e&255n);return t}function Qt(n,...t){
let e=new Uint8Array(32);return e.set(new TextEncoder().encode(n)),ue(_n(e,...t.map(qs)))}function Ds(n,t,e,r,o){let s=Xr-Xr%o;for(let c=0;;c+=1){let i=Pr(Qt(n,
t,e,r,c));if(i<s)return i%o}}function Wr(n){let t=n.length/qe;if(!Number.isInteger(t)||t<1||t>$r)throw new Error(`an operator set has 1 to ${$r} whole records`);
let e=[],r=new Set,o=0n;for(let s=0;s<n.length;s+=qe){let c=n.subarray(s,s+qe),i=pt(c.subarray(0,20)),a=pt(c.subarray(20,68)),f=Pr(c.subarray(68));if(f<=o)throw new Error(
"an operator has no stake");for(let d of[i,a]){if(r.has(d))throw new Error("an operator or a key is in the set twice");r.add(d)}e.push({address:i,stake:f-o,key:Us(
a)}),o=f}return{operators:e,total:o,root:ks(n,t,o)}}function Us(n){let t=Rt.G1.Point.fromHex(n.slice(2));if(t.equals(Rt.G1.Point.ZERO))throw new Error("a key is\
 infinity");return t.assertValidity(),t}function ks(n,t,e){let r=new Uint8Array(32),o=new Uint8Array(Yr),s=qe*js;for(let c=0;c<n.length;c+=s){let i=n.subarray(c,
c+s);r=ue(_n(r,ue(_n(o,i)))),o=i.subarray(-Yr)}return Qt("p2pavs/set/1",t,e,r)}function Kr(n,t,e,r,o,s){if(s>Vr)throw new Error(`a committee has 0 to ${Vr} seat\
s`);let c=new Map;s===0&&n.operators.forEach((a,f)=>c.set(f,a.stake));for(let a=0;a<s;a+=1){let f=Cs(n.operators,Ds("p2pavs/seat/1",r,o,a,n.total));c.set(f,(c.get(
f)??0n)+1n)}let i=Qt("p2pavs/committee/1",t,n.root,r,o,s,e);return{weights:c,total:s===0?n.total:BigInt(s),root:i}}function Cs(n,t){let e=0n;return n.findIndex(
r=>(e+=r.stake,t<e))}var Qr="p2pavs-certificate/1",Jr="p2pavs-checkpoint/1",Hs=["chainId","commit","committeeSize","epoch","format","gateway","operators","setRoot","taskHash","taskS\
eed"],zs=1e6,Ms="BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_",Zs=3,eo=[null,"completed","rejected"],no=[null,"end_of_text","stop_string","length","choice","inpu\
t_too_long","bad_request","json"],Gs=(1n<<16n)-1n,Ys=(1n<<32n)-1n,$s=(1n<<64n)-1n,Vs=(1n<<31n)-1n,ro=8192n,Z=class extends Error{constructor(t){super(t),this.name=
"CertificateError"}};function Qc(n,t=null){try{return Xs(to(n),t===null?null:to(t))}catch(e){throw e instanceof Z?e:new Z(e.message)}}function Xs(n,t){if(Object.
keys(n).sort().join()!==Hs.join()||n.format!==Qr)throw new Z(`it is not of the format ${Qr}`);let[e,r,o]=[n.chainId,n.epoch,n.committeeSize].map(Qs),s=Jt(n.gateway,
20),c=Wr(Jt(n.operators));if(pt(c.root)!==pt(Jt(n.setRoot,32)))throw new Z("its operators do not have the root it names");let{certificate:i,output:a}=Js(Jt(n.commit)),
f=Kr(c,r,Jt(n.taskHash,32),Jt(n.taskSeed,32),i.attempt,o),d={task:String(i.task),attempt:Number(i.attempt),round:Number(i.round),chainId:e,gateway:pt(s),epoch:r,
setRoot:pt(c.root),taskHash:n.taskHash.toLowerCase(),status:eo[i.result.status],finishReason:no[i.result.finish],tokens:i.result.tokens,value:pt(i.result.id),committeeSize:o,
output:new TextDecoder("utf-8",{ignoreBOM:!0}).decode(a),signers:i.signers.map(h=>c.operators[h]?.address),members:f.weights.size,...Ps(i.signers,f)};if(t!==null&&
Ks(d,o,t),pt(ue(a))!==pt(i.result.outputHash))throw new Z("the output in the file is not the one that was certified");let u=Qt("p2pavs/v1",Zs,e,s,i.task,i.attempt,
f.root,i.round,i.result.id),m=i.signers.map(h=>c.operators[h].key);return Ws(m,u,i.signature),d}function Ps(n,t){let e=0n;for(let r of n){let o=t.weights.get(r);
if(o===void 0)throw new Z(`signer ${r} is not on the committee`);e+=o}if(3n*e<=2n*t.total)throw new Z(`weight ${e} of ${t.total} is not more than two thirds`);return{
signedWeight:String(e),totalWeight:String(t.total)}}function Ws(n,t,e){let r=Rt.longSignatures,o=Rt.G2.Point.fromBytes(e);o.assertValidity();let s=n.reduce((i,a)=>i.
add(a));if(!(!o.is0()&&!s.is0())||!r.verify(o,r.hash(t,Ms),s))throw new Z("the aggregate signature does not hold")}function Ks(n,t,e){if(t!==0)throw new Z("its \
committee was drawn, which a checkpoint does not prove");if(e.format!==Jr)throw new Z(`the checkpoint is not of the format ${Jr}`);for(let r of["chainId","gatew\
ay","epoch","setRoot"])if(String(e[r]).toLowerCase()!==String(n[r]))throw new Z(`it is of the ${r} ${n[r]}, the checkpoint of ${e[r]}`)}function to(n){if(typeof n==
"string"){if(n.length>zs)throw new Z("the text is longer than any certificate");n=JSON.parse(n)}if(n===null||typeof n!="object"||Array.isArray(n))throw new Z("i\
t is no object");return n}function Qs(n){if(!Number.isSafeInteger(n)||n<0)throw new Z(`${n} is not a number here`);return n}function Jt(n,t=null){if(typeof n!="\
string"||!/^0x([0-9a-fA-F]{2})*$/.test(n))throw new Z("a field is not a hex string");let e=Uint8Array.from(n.slice(2).match(/../g)??[],r=>parseInt(r,16));if(t!==
null&&e.length!==t)throw new Z(`a field does not have ${t} bytes`);return e}function Js(n){let t=Ur(n);if(!Array.isArray(t)||t.length!==9||t[0]!==1n||t[1]!==4n)
throw new Z("the file holds another message than a certificate");let[,,e,r,o,s,c,i,a]=t;return{certificate:{task:kt(e,$s),attempt:kt(r,Gs),round:kt(o,Vs),result:tc(
s),signers:ec(c),signature:De(i,96)},output:De(a,0,Number(ro))}}function tc(n){if(!Array.isArray(n)||n.length!==8)throw new Z("the result has other fields");let[
t,e,r,o,s,c,i,a]=n,f=[e,c,i,a].map(u=>De(u,32)),d={status:Number(kt(t,BigInt(eo.length-1),1n)),finish:Number(kt(s,BigInt(no.length-1),1n)),tokens:Number(kt(o,Ys)),
outputHash:f[0]};return d.id=Qt("p2pavs/result/1",d.status,f[0],kt(r,ro),d.tokens,d.finish,f[1],f[2],f[3]),d}function ec(n){let t=De(n,1,32);if(t[0]===0)throw new Z(
"the signers' bitmap begins with a zero byte");let e=[];for(let r=0;r<8*t.length;r+=1)t[t.length-1-(r>>3)]>>(r&7)&1&&e.push(r);return e}function kt(n,t,e=0n){if(typeof n!=
"bigint"||n<e||n>t)throw new Z("a number is out of its range");return n}function De(n,t,e=t){if(!(n instanceof Uint8Array)||n.length<t||n.length>e)throw new Z(`\
a field does not have ${t} to ${e} bytes`);return n}export{Z as CertificateError,Qc as verifyCertificate};
