/**
 * Text to calibrate token estimates on, written for this purpose: short chat messages, explanations and news-like
 * paragraphs in many scripts, and the machine-made text that agents exchange.
 *
 * Samples alternate: those at even positions (the first, third …) may be looked at when the estimator is tuned, those at
 * odd positions are held out, and only they are reported.
 */

import { createHash } from "node:crypto";

export interface Category {
  readonly name: string;
  readonly samples: readonly string[];
}

/** Samples that tuning may look at. */
export function fitted(category: Category): readonly string[] {
  return category.samples.filter((_, position) => position % 2 === 0);
}

/** Samples that tuning never saw; the published figures are theirs. */
export function heldOut(category: Category): readonly string[] {
  return category.samples.filter((_, position) => position % 2 === 1);
}

/** Reproducible noise: the SHA-256 of a label. */
function digest(label: string): Buffer {
  return createHash("sha256").update(label).digest();
}

function hex(label: string): string {
  return digest(label).toString("hex");
}

function uuid(label: string): string {
  const digits = hex(label);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    "4" + digits.slice(13, 16),
    "a" + digits.slice(17, 20),
    digits.slice(20, 32),
  ].join("-");
}

function base64(label: string, blocks: number): string {
  return Buffer.concat(Array.from({ length: blocks }, (_, block) => digest(`${label} ${block}`))).toString(
    "base64",
  );
}

const english = [
  `Hey, can you check why my order still says "pending"? I paid yesterday evening.`,
  `Sure! I had a look: the payment went through at 9:42 pm, but the warehouse hasn't confirmed the items yet. It usually takes a few hours, so you should get the shipping mail by noon. Want me to ping them?`,
  `The bridge across the harbour was closed on Tuesday after inspectors found a crack in one of the main cables. Officials said that traffic would be diverted for at least three weeks, and that ferries would run twice as often during the morning rush. Shop owners on the northern side fear that the closure will cost them a good part of the season. "We have only just recovered from last year's storm," said the owner of a small bakery near the ramp.`,
  `When a process writes to a file, the data first lands in the page cache of the operating system. It reaches the disk only when the kernel decides to flush it, or when the program asks for that explicitly. A database that acknowledges a commit before the flush can lose the commit in a power failure, which is why durable engines wait. To keep this affordable, they collect the writes of many clients and flush them together; the price is a little latency, the gain an order of magnitude in throughput.`,
  `ok thanks, that worked :)`,
  `No worries. One more thing: if you rename the branch, don't forget to update the deploy script too, otherwise it'll silently keep building the old one.`,
  `You are a travel assistant. Answer in the language of the user, keep replies under one hundred words, and never invent prices. If the user asks for something that you cannot book, apologise briefly and suggest an alternative. Before confirming a reservation, repeat the dates, the number of guests and the cancellation terms, and wait for an explicit yes.`,
  `Grandmother kept the letters in a biscuit tin behind the flour. I found them the summer after she died: forty thin envelopes, tied with kitchen string, all from a man nobody in the family had ever mentioned. He wrote about weather and trains, about a dog called Pepper, and once, on a page that had clearly been folded and unfolded many times, about the evening they had danced on the roof of the post office.`,
  `Could you send me the slides from this morning's meeting when you get a chance?`,
  `Sounds good, see you there!`,
];

const german = [
  `Hallo, mein Paket ist immer noch nicht angekommen. Könnt ihr bitte mal nachschauen?`,
  `Klar, einen Moment bitte. Laut Sendungsverfolgung liegt es seit gestern im Verteilzentrum und sollte heute Nachmittag zugestellt werden. Falls bis achtzehn Uhr niemand geklingelt hat, melde dich einfach noch einmal, dann eröffne ich eine Nachforschung.`,
  `Der Stadtrat hat am Donnerstagabend nach langer Diskussion beschlossen, die alte Markthalle zu sanieren. Die Arbeiten sollen im kommenden Frühjahr beginnen und rund achtzehn Monate dauern. Während dieser Zeit ziehen die Händler in Zelte auf dem Bahnhofsvorplatz um. Kritiker bemängeln, dass die Kosten bereits vor Baubeginn um ein Drittel gestiegen seien.`,
  `Wenn ein Server unter hoher Last steht, wächst zuerst die Länge der Warteschlangen und erst danach die Antwortzeit. Deshalb lohnt es sich, die Auslastung jeder einzelnen Warteschlange zu messen, statt nur auf den Durchschnitt der Antwortzeiten zu schauen. Eine Begrenzung der gleichzeitig bearbeiteten Anfragen verhindert, dass ein kurzer Engpass das gesamte System mitreißt.`,
  `Passt, danke dir! Bis morgen.`,
  `Weißt du zufällig, ob der Zug nach Hannover heute pünktlich fährt? Ich hab um halb neun einen Termin und würde ungern eine Stunde früher los.`,
  `Für den Teig verrühren Sie Mehl, Zucker, Eier und eine Prise Salz mit der lauwarmen Milch. Lassen Sie ihn zugedeckt an einem warmen Ort ruhen, bis er sich verdoppelt hat. Danach die Äpfel schälen, in dünne Spalten schneiden und gleichmäßig auf dem Blech verteilen.`,
  `Sehr geehrte Frau Lindner, vielen Dank für Ihre Anfrage vom zwölften März. Leider können wir Ihnen die gewünschte Vertragsänderung nicht rückwirkend bestätigen. Wir bieten Ihnen jedoch an, den Tarif zum nächsten Abrechnungszeitraum kostenlos umzustellen. Bitte teilen Sie uns innerhalb von vierzehn Tagen mit, ob Sie damit einverstanden sind.`,
  `Kannst du mir die Folien von heute Morgen schicken, sobald du Zeit hast?`,
  `Alles klar, ich melde mich später.`,
];

const french = [
  `Bonjour, je n'arrive plus à me connecter à mon compte depuis ce matin.`,
  `Bonjour ! Je viens de vérifier : votre mot de passe a expiré hier soir. Je vous ai envoyé un lien de réinitialisation, il reste valable pendant une heure. Pensez à regarder dans les courriers indésirables si vous ne le voyez pas.`,
  `Les pluies de la nuit ont provoqué la fermeture de plusieurs routes dans l'arrière-pays. Selon la préfecture, une trentaine de personnes ont été évacuées par précaution et hébergées dans un gymnase. Les écoles de la vallée resteront fermées jusqu'à vendredi. Aucun blessé n'est à déplorer, mais les dégâts matériels s'annoncent considérables.`,
  `Un index accélère la lecture, mais il a un coût : chaque écriture doit le mettre à jour. Avant d'en ajouter un, il faut donc regarder quelles requêtes reviennent le plus souvent, combien de lignes elles parcourent réellement, et si l'ordre des colonnes correspond aux filtres utilisés. Un index trop large occupe la mémoire que d'autres données utiliseraient mieux.`,
  `Ça marche, merci beaucoup !`,
  `T'as vu le match hier soir ? J'étais persuadé qu'ils allaient perdre, et puis ce but à la dernière minute… Je n'ai presque plus de voix aujourd'hui.`,
  `Le vieux phare n'était plus habité depuis longtemps, pourtant une lumière tremblait chaque nuit à la fenêtre du deuxième étage. Les pêcheurs préféraient ne pas en parler. Seule Mathilde, qui n'avait peur de rien, décida d'y monter un soir d'octobre avec une lampe et un morceau de pain.`,
  `Madame, Monsieur, je me permets de vous relancer au sujet de la facture numéro 2043, restée impayée malgré deux rappels. Je vous saurais gré de bien vouloir procéder au règlement sous huit jours. À défaut, nous serons contraints de suspendre l'accès au service jusqu'à régularisation de votre situation.`,
  `Tu peux m'envoyer le compte rendu de la réunion quand tu auras un moment ?`,
  `D'accord, à tout à l'heure !`,
];

const spanish = [
  `Hola, ¿me puedes ayudar con una reserva para este fin de semana?`,
  `¡Claro que sí! Dime cuántas personas son, a qué hora os gustaría llegar y si alguien tiene alergias. Para el sábado por la noche solo nos queda una mesa en la terraza, pero el domingo hay sitio de sobra.`,
  `El ayuntamiento anunció ayer un plan para plantar diez mil árboles en los próximos cinco años. La medida busca reducir la temperatura de los barrios con menos sombra, donde el asfalto alcanza valores extremos en verano. Los vecinos celebran la iniciativa, aunque piden que esta vez se garantice el riego durante los primeros meses.`,
  `Para evitar que dos procesos modifiquen el mismo registro, la aplicación guarda un número de versión junto a los datos. Cada escritura indica la versión que leyó; si entretanto cambió, la base de datos rechaza la operación y el cliente debe volver a intentarlo con la información actualizada. Así nadie sobrescribe sin querer el trabajo de otra persona.`,
  `Vale, mil gracias. ¡Hasta luego!`,
  `Oye, al final no puedo quedar hoy porque se me ha complicado la tarde en el trabajo. ¿Te viene bien mañana después de comer, o prefieres que lo dejemos para el jueves?`,
  `Corte las verduras en trozos pequeños y sofríalas a fuego lento con un poco de aceite de oliva. Cuando estén blandas, añada el arroz, remueva durante dos minutos y cubra con el caldo caliente. No lo mueva más: el secreto está en dejar que se tueste ligeramente por debajo.`,
  `Nadie recordaba cuándo había dejado de sonar el reloj de la plaza. Mi abuelo aseguraba que fue la noche de la gran nevada, mientras que la farmacéutica juraba haberlo oído todavía el día de su boda. Lo cierto es que, desde entonces, en el pueblo siempre eran las cuatro y veinte, y a casi todos les parecía una hora estupenda.`,
  `¿Me puedes mandar las diapositivas de la reunión de esta mañana cuando tengas un rato?`,
  `Perfecto, nos vemos allí.`,
];

const russian = [
  `Привет! Подскажи, пожалуйста, как поменять пароль от почты?`,
  `Зайди в настройки, открой раздел «Безопасность» и нажми «Сменить пароль». Придёт код на телефон, его нужно будет ввести в течение пяти минут. Если код не приходит, проверь, тот ли номер указан в профиле.`,
  `В среду утром на центральной площади открылась выставка, посвящённая истории городского трамвая. Посетители могут увидеть старинные билеты, фотографии первых вагонов и форму кондукторов начала прошлого века. Организаторы рассчитывают, что за месяц экспозицию посмотрят не менее десяти тысяч человек. Вход для школьников и пенсионеров бесплатный.`,
  `Очередь сообщений помогает разделить систему на независимые части. Отправитель не ждёт, пока получатель закончит обработку, и может сразу перейти к следующей задаче. Однако за это приходится платить: сообщение может быть доставлено дважды, поэтому обработчик должен уметь распознавать повторы и не выполнять одну и ту же операцию ещё раз.`,
  `Спасибо, всё получилось!`,
  `Слушай, а ты завтра свободен вечером? Мы с ребятами собираемся в кино на новую комедию, билеты ещё есть, но лучше взять заранее.`,
  `Осень в тот год наступила рано. Уже в конце августа пожелтели берёзы за рекой, и по утрам над лугом стоял густой туман. Дед чинил сети, сидя на крыльце, и рассказывал, как в молодости ходил на лодке до самого моря. Я слушал его и не знал, чему верить, а чему нет.`,
  `Уважаемые жильцы! Сообщаем, что в связи с плановым ремонтом водопровода двенадцатого апреля с девяти до семнадцати часов будет отключено холодное водоснабжение. Просим заранее запастись водой и не оставлять открытыми краны. Приносим извинения за временные неудобства.`,
  `Сможешь прислать мне слайды с утренней встречи, когда будет минутка?`,
  `Хорошо, тогда до завтра!`,
];

const ukrainian = [
  `Добрий день! Чи можна повернути товар, якщо він не підійшов за розміром?`,
  `Так, звичайно. Ви можете повернути його протягом чотирнадцяти днів, якщо збереглися бирки та упаковка. Напишіть, будь ласка, номер замовлення, і я підготую для вас накладну. Гроші надійдуть на картку за два-три робочі дні.`,
  `У суботу в міському парку відбудеться щорічний ярмарок меду. Пасічники з усієї області привезуть понад сорок сортів, серед яких гречаний, липовий та рідкісний верес. Для дітей організатори підготували майстер-класи з виготовлення воскових свічок. Розпочнеться свято о десятій годині ранку й триватиме до вечора.`,
  `Кеш зберігає результати попередніх обчислень, щоб не виконувати їх щоразу заново. Найскладніше питання полягає в тому, коли саме ці результати застаріли. Якщо очищати кеш занадто рідко, користувачі побачать неактуальні дані, а якщо занадто часто, то він майже не дає користі. Тому варто вимірювати частку влучань і вік записів.`,
  `Дякую, ви дуже допомогли!`,
  `Привіт, як справи? Я вже вдома, але забула ключі в тебе на кухні. Можеш, будь ласка, взяти їх завтра з собою на роботу?`,
  `Щоб приготувати вареники, спершу замісіть еластичне тісто з борошна, води та щіпки солі. Поки воно відпочиває під рушником, зваріть картоплю і обсмажте цибулю до золотистого кольору. Розкачайте тісто тонко, виріжте кружальця склянкою, покладіть начинку й щільно зліпіть краї.`,
  `Бабусина хата стояла на самому краю села, там, де дорога зникала між соняшниками. Щоліта ми приїжджали сюди на кілька тижнів і щоразу знаходили на горищі щось нове: стару скриню, пожовклі листи, дерев'яну сопілку. Увечері вона розповідала нам казки, і здавалося, що час зупинився назавжди.`,
  `Зможеш надіслати мені слайди з ранкової зустрічі, коли матимеш хвилинку?`,
  `Гаразд, тоді до завтра!`,
];

const greek = [
  `Καλησπέρα, μήπως ξέρετε τι ώρα κλείνει το κατάστημα σήμερα;`,
  `Καλησπέρα σας! Σήμερα είμαστε ανοιχτά μέχρι τις εννέα το βράδυ. Αν θέλετε να παραλάβετε παραγγελία, ελάτε κατά προτίμηση πριν από τις οκτώ, γιατί μετά έχει συνήθως πολύ κόσμο στο ταμείο.`,
  `Το νέο δρομολόγιο του πλοίου ξεκίνησε χθες από το λιμάνι και συνδέει για πρώτη φορά τα τρία μικρά νησιά με την ηπειρωτική χώρα. Οι κάτοικοι περίμεναν αυτή τη σύνδεση πάνω από δέκα χρόνια. Σύμφωνα με την εταιρεία, το ταξίδι διαρκεί περίπου τέσσερις ώρες και τα εισιτήρια θα παραμείνουν φθηνά όλο τον χειμώνα.`,
  `Όταν ένας διακομιστής δέχεται περισσότερα αιτήματα από όσα μπορεί να εξυπηρετήσει, πρέπει να απορρίψει μερικά από αυτά αμέσως. Διαφορετικά οι ουρές μεγαλώνουν, η μνήμη γεμίζει και στο τέλος κανένας χρήστης δεν παίρνει απάντηση. Ένα απλό όριο στις ταυτόχρονες συνδέσεις αρκεί συχνά για να παραμείνει το σύστημα σταθερό.`,
  `Τέλεια, ευχαριστώ πολύ!`,
  `Θα έρθεις το Σάββατο στη γιορτή της Ελένης; Σκέφτομαι να της πάρουμε μαζί ένα βιβλίο και λουλούδια, αν δεν έχεις ήδη αγοράσει κάτι.`,
  `Για τη σάλτσα ψιλοκόβουμε το κρεμμύδι και το σοτάρουμε σε ελαιόλαδο μέχρι να μαλακώσει. Προσθέτουμε τις ντομάτες, λίγη ζάχαρη, αλάτι και πιπέρι και αφήνουμε να σιγοβράσει για είκοσι λεπτά. Στο τέλος ρίχνουμε φρέσκο βασιλικό και σερβίρουμε με τριμμένο τυρί.`,
  `Ο παππούς μου ήταν φαροφύλακας σε έναν βράχο που δεν έχει ούτε όνομα στον χάρτη. Κάθε βράδυ άναβε το φως και έγραφε σε ένα τετράδιο τον καιρό, τα καράβια και τις σκέψεις του. Χρόνια αργότερα βρήκαμε τα τετράδια σε ένα μπαούλο, και η θάλασσα μύριζε ακόμη στις σελίδες τους.`,
  `Μπορείς να μου στείλεις τις διαφάνειες από την πρωινή συνάντηση όταν βρεις λίγο χρόνο;`,
  `Εντάξει, τα λέμε αύριο!`,
];

const arabic = [
  `مرحبا، كيف يمكنني تغيير عنوان التوصيل بعد تأكيد الطلب؟`,
  `أهلا بك! يمكنك تغيير العنوان ما دامت الشحنة لم تغادر المستودع بعد. أرسل لي رقم الطلب والعنوان الجديد وسأقوم بتحديثه فورا، وستصلك رسالة تأكيد على هاتفك خلال دقائق.`,
  `أعلنت بلدية المدينة أمس عن افتتاح مكتبة عامة جديدة في الحي القديم. تضم المكتبة أكثر من خمسين ألف كتاب وقاعة مخصصة للأطفال ومساحة هادئة للدراسة. وقال مدير المشروع إن المبنى كان مهجورا منذ سنوات طويلة، وإن سكان الحي شاركوا في اختيار تصميمه. ومن المتوقع أن يستقبل مئات الزوار كل يوم.`,
  `تعتمد قواعد البيانات الحديثة على كتابة كل تغيير في سجل قبل تنفيذه. فإذا انقطعت الكهرباء فجأة، يقرأ النظام السجل عند إعادة التشغيل ويستعيد العمليات التي اكتملت ويتجاهل ما لم يكتمل منها. وبهذه الطريقة لا تضيع بيانات المستخدمين حتى في أسوأ الظروف، لكن الكتابة تصبح أبطأ قليلا.`,
  `شكرا جزيلا على المساعدة`,
  `هل أنت متفرغ مساء الخميس؟ نفكر في الذهاب إلى المطعم الجديد قرب البحر، ويقولون إن السمك عندهم طازج والأسعار معقولة.`,
  `لتحضير الحساء نغسل العدس جيدا ثم نضعه في قدر مع الماء والجزر والبصل المفروم. نتركه على نار هادئة حتى ينضج تماما، ثم نضيف الكمون والملح وعصير الليمون. يقدم الحساء ساخنا مع الخبز المحمص وقليل من زيت الزيتون.`,
  `كان البيت الكبير يقف وحيدا في آخر الطريق، وحوله أشجار زيتون عتيقة لا يعرف أحد من زرعها. كنا نزوره في كل صيف ونسمع من جدتي حكايات عن المسافرين الذين مروا به ليلا. وفي إحدى الأمسيات سمعنا طرقا خفيفا على الباب، ولم يكن هناك أحد.`,
  `صباح الخير، أود الاستفسار عن موعد الدورة القادمة في البرمجة وعن تكلفة التسجيل وهل توجد خصومات للطلاب.`,
  `صباح النور، تبدأ الدورة في الأسبوع الأول من الشهر المقبل وتستمر ستة أسابيع بواقع درسين في الأسبوع. يحصل الطلاب على خصم قدره عشرون في المئة عند تقديم بطاقة سارية. يمكن الدفع على قسطين، ويبقى التسجيل مفتوحا حتى اكتمال العدد. إذا كانت لديك خبرة سابقة فأخبرنا حتى نرشح لك المستوى المناسب.`,
  `هل يمكنك أن ترسل لي عرض اجتماع الصباح عندما يكون لديك وقت؟`,
  `حسنا، أراك غدا إن شاء الله`,
];

const hebrew = [
  `שלום, רציתי לדעת אם אפשר להקדים את התור שלי ליום ראשון.`,
  `בוקר טוב! בדקתי ביומן ויש מקום פנוי ביום ראשון בשעה עשר וחצי. אם זה מתאים לך, אני אעדכן את התור ואשלח לך תזכורת יום לפני. אין צורך להביא מסמכים נוספים.`,
  `העירייה הודיעה אתמול כי שביל האופניים החדש לאורך החוף ייפתח לציבור בתחילת החודש הבא. השביל יחבר בין הנמל הישן לבין הפארק שבצפון העיר ויכלול תאורה, ספסלים ונקודות שתייה. תושבים רבים ברכו על היוזמה, אך אחדים מהם חוששים שלא יישארו מספיק מקומות חניה באזור בשעות העומס.`,
  `כאשר שני משתמשים מעדכנים את אותו המסמך בו זמנית, המערכת חייבת להחליט איזה שינוי יישמר. אפשרות אחת היא לנעול את המסמך מראש, אבל אז כולם ממתינים. אפשרות אחרת היא לבדוק בזמן השמירה אם הגרסה השתנתה, ואם כן לבקש מהמשתמש לנסות שוב. הפתרון השני מתאים יותר כאשר התנגשויות הן נדירות.`,
  `תודה רבה, זה עזר לי מאוד!`,
  `היי, מה נשמע? אנחנו יוצאים לטיול בצפון בסוף השבוע הקרוב ויש עוד מקום ברכב. רוצה להצטרף? צריך רק להביא שק שינה ומצב רוח טוב.`,
  `כדי להכין את העוגה מערבבים ביצים וסוכר עד שמתקבלת תערובת בהירה ואוורירית. מוסיפים בהדרגה את הקמח, השמן ומיץ התפוזים, ושופכים לתבנית משומנת. אופים כארבעים דקות בחום בינוני ובודקים בעזרת קיסם שהעוגה מוכנה.`,
  `בילדותי גרנו בבית קטן בקצה המושב, ומאחוריו השתרע פרדס ישן. בכל ערב היה אבי יוצא לבדוק את הברזים וחוזר עם כיסים מלאים בקליפות תפוזים ריחניות. שנים אחר כך, בעיר רועשת ורחוקה, הספיק לי ריח אחד כדי להיזכר בכל מה שחשבתי ששכחתי.`,
  `אפשר לקבל בבקשה קבלה על התשלום האחרון? היא נחוצה לי להנהלת החשבונות.`,
  `בוודאי. שלחתי את הקבלה לכתובת הדואר האלקטרוני שרשומה במערכת. אם לא קיבלת אותה בתוך כמה דקות, כדאי לבדוק בתיקיית הדואר הזבל או לעדכן את הכתובת באזור האישי. מעכשיו אפשר גם להוריד כל קבלה ישירות מהאתר, תחת לשונית התשלומים, בלי לפנות לשירות הלקוחות.`,
  `תוכל לשלוח לי את המצגת מהפגישה של הבוקר כשיהיה לך זמן?`,
  `בסדר גמור, נתראה מחר.`,
];

const hindi = [
  `नमस्ते, मेरा रिचार्ज अभी तक नहीं हुआ है, कृपया मदद करें।`,
  `नमस्ते! मैंने जाँच की है, आपका भुगतान सफल रहा है लेकिन कंपनी के सर्वर में देरी हो रही है। आम तौर पर यह एक घंटे में पूरा हो जाता है। अगर तब भी न हो, तो पैसा अपने आप आपके खाते में वापस आ जाएगा।`,
  `शहर के पुराने रेलवे स्टेशन को अब संग्रहालय में बदला जाएगा। रेल मंत्रालय ने मंगलवार को इसकी घोषणा करते हुए कहा कि इमारत की मरम्मत अगले साल तक पूरी हो जाएगी। संग्रहालय में भाप के इंजन, पुराने टिकट और यात्रियों की तस्वीरें रखी जाएँगी। स्थानीय लोगों को उम्मीद है कि इससे पर्यटन बढ़ेगा और नए रोज़गार मिलेंगे।`,
  `जब कोई उपयोगकर्ता संदेश भेजता है, तो सर्वर पहले उसे सुरक्षित रूप से लिखता है और उसके बाद ही पुष्टि भेजता है। अगर बीच में नेटवर्क टूट जाए, तो ऐप वही संदेश दोबारा भेज सकता है। हर संदेश के साथ एक अलग पहचान संख्या होती है, इसलिए सर्वर समझ जाता है कि यह नया है या पहले आ चुका है।`,
  `बहुत बहुत धन्यवाद, काम हो गया!`,
  `क्या तुम कल शाम को खाली हो? हम लोग राहुल के घर पर क्रिकेट मैच देखने वाले हैं, और उसकी माँ ने कहा है कि समोसे भी बनेंगे।`,
  `सबसे पहले चावल को अच्छी तरह धोकर आधे घंटे के लिए पानी में भिगो दें। कड़ाही में घी गरम करके जीरा, प्याज और अदरक भूनें। फिर सब्ज़ियाँ, नमक और मसाले डालकर दो मिनट चलाएँ। अंत में चावल और पानी मिलाकर धीमी आँच पर ढककर पकाएँ।`,
  `गाँव के किनारे बरगद का एक बहुत बड़ा पेड़ था, जिसके नीचे हर शाम बुज़ुर्ग बैठकर बातें किया करते थे। बच्चे उनकी कहानियाँ सुनने के लिए चुपचाप पास आ जाते। एक दिन दादाजी ने बताया कि जब वे छोटे थे, तब इसी पेड़ पर चढ़कर उन्होंने पहली बार नदी के उस पार का शहर देखा था।`,
  `क्या आप मुझे सुबह की बैठक की स्लाइड भेज सकते हैं, जब आपके पास थोड़ा समय हो?`,
  `ठीक है, कल मिलते हैं।`,
];

const thai = [
  `สวัสดีค่ะ อยากสอบถามว่าสินค้าตัวนี้ยังมีของอยู่ไหมคะ`,
  `สวัสดีครับ ตอนนี้มีสินค้าพร้อมส่งครับ สั่งวันนี้ก่อนบ่ายสองโมงจะจัดส่งภายในวันเดียวกัน ถ้าต้องการเก็บเงินปลายทางสามารถเลือกได้ในหน้าชำระเงินเลยครับ`,
  `เทศบาลเมืองประกาศปรับปรุงตลาดริมน้ำครั้งใหญ่ในรอบยี่สิบปี โดยจะซ่อมแซมทางเดินไม้ ติดตั้งไฟส่องสว่าง และเพิ่มที่จอดรถสำหรับนักท่องเที่ยว พ่อค้าแม่ค้าส่วนใหญ่เห็นด้วยกับโครงการนี้ แต่กังวลว่ารายได้จะลดลงระหว่างการก่อสร้าง ซึ่งคาดว่าจะใช้เวลาประมาณหกเดือน`,
  `เมื่อระบบได้รับข้อความใหม่ เซิร์ฟเวอร์จะบันทึกข้อมูลลงดิสก์ก่อนแล้วจึงตอบกลับไปยังผู้ใช้ วิธีนี้ช่วยให้ข้อมูลไม่สูญหายแม้ไฟฟ้าจะดับกะทันหัน แต่ก็ทำให้การตอบสนองช้าลงเล็กน้อย ดังนั้นระบบส่วนใหญ่จึงรวบรวมข้อความหลายรายการแล้วเขียนพร้อมกันในครั้งเดียว`,
  `ขอบคุณมากค่ะ ใช้งานได้แล้ว`,
  `พรุ่งนี้ว่างไหม เราจะไปกินก๋วยเตี๋ยวร้านใหม่แถวออฟฟิศกัน ได้ยินว่าอร่อยมากแต่คิวยาว ถ้าไปก็มาเจอกันตอนสิบเอ็ดโมงครึ่งนะ`,
  `วิธีทำแกงเขียวหวานเริ่มจากผัดพริกแกงกับหัวกะทิจนหอม ใส่เนื้อไก่ลงไปผัดให้สุก จากนั้นเติมหางกะทิ มะเขือ และใบมะกรูด ปรุงรสด้วยน้ำปลาและน้ำตาลปี๊บ ต้มต่อจนมะเขือนิ่มแล้วโรยใบโหระพาก่อนยกลง`,
  `บ้านของคุณยายอยู่ติดแม่น้ำสายเล็ก ทุกเช้าฉันจะได้ยินเสียงเรือของพระมาบิณฑบาตและกลิ่นข้าวหุงใหม่ลอยมาจากครัว เวลาผ่านไปหลายปี สะพานคอนกรีตมาแทนที่ท่าน้ำเก่า แต่ทุกครั้งที่ฝนตก ฉันยังคงนึกถึงเสียงหัวเราะของคุณยายอยู่เสมอ`,
  `รบกวนช่วยตรวจสอบใบเสร็จเดือนที่แล้วให้หน่อยครับ ยอดเงินที่ถูกหักไม่ตรงกับในระบบ`,
  `ตรวจสอบแล้วค่ะ ยอดที่ต่างกันเกิดจากค่าธรรมเนียมการเปลี่ยนแพ็กเกจกลางเดือน ทางเราคำนวณส่วนลดให้ใหม่เรียบร้อยแล้ว และจะคืนเงินส่วนต่างเข้าบัตรภายในเจ็ดวันทำการ หากยังไม่ได้รับเงินหลังจากนั้น กรุณาแจ้งหมายเลขใบเสร็จมาอีกครั้งนะคะ`,
  `ช่วยส่งสไลด์ประชุมเมื่อเช้าให้หน่อยได้ไหมคะ ว่างเมื่อไหร่ก็ได้`,
  `โอเค เจอกันพรุ่งนี้นะ`,
];

const japanese = [
  `すみません、パスワードを忘れてしまいました。どうすればいいですか？`,
  `ログイン画面の「パスワードをお忘れの方」を押して、登録したメールアドレスを入力してください。数分以内に再設定用のリンクが届きます。届かない場合は、迷惑メールのフォルダも確認してみてください。`,
  `市は十日、老朽化した中央図書館を建て替える計画を発表した。新しい建物は駅の北側に建設され、完成は三年後の春になる見通しだ。閲覧席を現在の二倍に増やすほか、小さな子ども連れの家族が気兼ねなく過ごせる階も設ける。一方で、住み慣れた場所から移転することに反対する声も上がっている。`,
  `キャッシュを導入すると、同じ計算を何度も繰り返す必要がなくなり、応答時間を大幅に短縮できます。ただし、元のデータが更新されたときに古い結果を返さないよう、有効期限や無効化の仕組みを慎重に設計しなければなりません。また、サーバーを再起動した直後はキャッシュが空なので、データベースに負荷が集中する点にも注意が必要です。`,
  `ありがとうございます。助かりました！`,
  `明日の打ち合わせなんだけど、電車が遅れそうだから三十分くらい後ろにずらしてもらえないかな？ 資料は先に送っておくね。`,
  `玉ねぎは薄切りに、にんじんは乱切りにします。鍋に油を熱して肉を炒め、色が変わったら野菜を加えてさらに炒めます。水を入れて沸騰したらあくを取り、弱火で二十分ほど煮込みます。最後にルーを割り入れ、とろみがつくまでゆっくりかき混ぜてください。`,
  `祖父の家には、もう誰も弾かなくなったピアノがあった。夏休みに遊びに行くたび、私はほこりをかぶったふたを開けて、でたらめな曲を弾いたものだ。祖父は縁側で新聞を読みながら、いつも黙って聞いていた。あの音がどれほど外れていたのか気づいたのは、ずっと後になってからのことである。`,
  `新しいプロジェクトを始める前に、まず目的と期限をはっきりさせておきましょう。担当者が決まっていない作業は、たいてい後回しにされてしまいます。毎週月曜日に短い会議を開き、進み具合と困っていることを共有するだけで、問題を早く見つけられるようになります。会議の記録は、参加できなかった人も読めるように、必ず同じ場所に保存してください。`,
  `週末は台風の影響で全国的に雨が強まり、ところによって雷を伴う見込みです。気象台は、川の増水や土砂災害に警戒するよう呼びかけています。鉄道各社は土曜日の午後から運転を取りやめる可能性があるとしており、旅行を予定している人は最新の情報を確認してほしいとしています。なお、日曜日の夕方には天気が回復し、月曜日は広い範囲で晴れるでしょう。`,
  `このアプリは無料で使えますか？ 有料版との違いも教えてください。`,
  `はい、基本的な機能はすべて無料でお使いいただけます。有料版では、保存できる件数の制限がなくなり、複数の端末で自動的に同期されるようになります。また、お問い合わせには優先的に対応いたします。最初の一か月は料金がかかりませんので、ぜひ一度お試しください。解約はいつでも設定画面から行えます。`,
  `今朝の会議で使ったスライドを、お時間のあるときに送っていただけますか？　参考資料の場所もあわせて教えていただけると助かります。`,
  `了解です。また明日！`,
  `旅先で出会った人の名前は、もうほとんど覚えていない。それでも、港町の食堂で隣に座った老人の話だけは、なぜか今でもはっきりと思い出せる。若い頃に船で世界を回り、最後に選んだのがこの小さな町だったという。`,
  `機械学習のモデルは、学習に使ったデータの偏りをそのまま受け継いでしまうことがあります。精度だけを見るのではなく、どのような入力で間違えるのかを調べ、必要に応じてデータを集め直すことが大切です。`,
];

const chinese = [
  `你好，我昨天买的东西什么时候可以发货？`,
  `您好！您的订单已经打包完成，预计今天下午由快递公司取走，正常情况下两到三天可以送到。发货以后系统会自动给您发送短信，里面有运单号码，您可以随时查询物流信息。`,
  `昨天下午，市政府召开新闻发布会，宣布将在未来三年内新建十二座公园，并对老城区的河道进行全面治理。负责人表示，工程将分阶段进行，尽量减少对居民生活的影响。不少市民对此表示欢迎，但也有人担心施工期间交通会更加拥堵，希望有关部门提前做好安排。`,
  `为了保证数据不丢失，数据库在修改数据之前会先把操作写入日志。即使服务器突然断电，重新启动以后也可以根据日志恢复到一致的状态。不过每次写入都等待磁盘确认会影响性能，所以很多系统会把多个请求合并在一起提交，用很小的延迟换来更高的吞吐量。`,
  `好的，谢谢你的帮助！`,
  `周末有空吗？我们打算去爬山，早上七点在地铁站门口集合，中午在山上吃自己带的东西，下午四点左右就能回来。`,
  `先把鸡肉切成小块，用盐、酱油和一点淀粉腌二十分钟。锅里放油，烧热以后加入花椒、干辣椒和姜片，炒出香味再放鸡肉。等肉变色以后倒入青椒，大火快炒两分钟，最后撒上花生米就可以出锅了。`,
  `外婆家的院子里有一棵很老的枣树，每年秋天都结满红红的果子。小时候我总是等不及它们成熟，偷偷爬上去摘几个青的尝尝，结果每次都酸得直皱眉头。外婆从来不骂我，只是笑着说，着急的人总是先尝到酸的。如今院子早就拆了，可是每当看到枣子，我还是会想起那句话。`,
  `写代码的时候，很多人喜欢一开始就考虑各种复杂的情况，结果程序越来越难懂。比较好的做法是先解决眼前的问题，把接口设计得简单清楚，再用测试把重要的行为固定下来。等到真正需要扩展的时候，有了这些测试，修改起来就不会害怕。另外，名字要起得准确，注释只解释为什么这样做，而不是重复代码已经说明的事情。`,
  `近日，研究人员在南部海域发现了一种从未记录过的深海鱼类。这种鱼体长不到十厘米，身体几乎完全透明，生活在两千多米深的黑暗环境中。科学家认为，它可能依靠微弱的生物发光来吸引猎物。由于样本数量有限，目前还不清楚它的繁殖方式和分布范围，研究团队计划明年春天再次出海进行调查。`,
  `请问这个软件支持中文界面吗？安装以后应该在哪里设置？`,
  `支持的。安装完成以后，打开右上角的菜单，选择设置，然后在语言一栏里选择简体中文，保存以后重新启动就可以了。如果菜单里没有看到中文选项，说明您使用的版本比较旧，建议先升级到最新版本。升级不会影响已有的文件，但是为了安全起见，最好还是提前备份一下重要数据。`,
  `下面是会议的主要内容。第一，产品团队将在本月底完成新版本的测试工作，市场部门需要提前准备宣传材料。第二，客服反映最近关于退款的投诉明显增多，财务部门已经开始调查原因，预计下周提交报告。第三，公司决定从下个季度开始调整考勤制度，员工每周可以选择一天在家办公，具体办法由人事部门另行通知。`,
  `如果您在旅行途中丢失了护照，请不要慌张，首先到当地警察局报案并取得证明，然后尽快联系最近的使馆或者领事馆申请补办旅行证件。办理时需要提供照片、身份信息以及报案证明。整个过程通常需要两到五个工作日，所以建议您及时修改机票和酒店的预订，同时把情况告诉家人和保险公司。`,
  `方便的时候能不能把今天上午开会用的幻灯片发给我一份？`,
  `没问题，明天见！`,
  `火车晚点了两个小时，候车室里挤满了人。一个小女孩抱着布娃娃，认真地数着墙上的瓷砖，数到一百就从头再来。`,
  `如果接口返回的状态码是五百，请先检查数据库连接是否正常，再查看最近一次部署的日志。大多数情况下，问题出在配置文件没有同步更新。`,
];

const korean = [
  `안녕하세요, 어제 주문한 상품을 취소하고 싶은데 가능할까요?`,
  `안녕하세요 고객님! 확인해 보니 아직 배송이 시작되지 않아서 취소가 가능합니다. 결제하신 카드로 영업일 기준 사흘 안에 환불될 예정이며, 처리가 끝나면 문자로 안내해 드리겠습니다.`,
  `서울시는 내년부터 한강 주변의 자전거 도로를 대대적으로 정비한다고 밝혔다. 낡은 구간을 넓히고 조명을 새로 설치해 밤에도 안전하게 이용할 수 있도록 할 계획이다. 시민들은 대체로 환영하는 분위기지만, 공사 기간 동안 산책로가 막히는 것을 걱정하는 목소리도 나오고 있다.`,
  `서버가 메시지를 받으면 먼저 디스크에 안전하게 기록한 다음 클라이언트에게 응답을 보냅니다. 이렇게 하면 갑자기 전원이 꺼지더라도 데이터가 사라지지 않습니다. 다만 기록할 때마다 기다려야 하므로 속도가 느려질 수 있고, 그래서 여러 요청을 모아서 한 번에 처리하는 방법을 많이 사용합니다.`,
  `네, 정말 감사합니다!`,
  `혹시 내일 저녁에 시간 괜찮아? 회사 근처에 새로 생긴 식당이 있는데 김치찌개가 진짜 맛있다고 하더라. 예약은 내가 할게.`,
  `먼저 감자와 당근을 먹기 좋은 크기로 썰고 양파는 얇게 채 썰어 주세요. 냄비에 기름을 두르고 고기를 볶다가 겉이 익으면 야채를 넣고 함께 볶습니다. 물을 붓고 중간 불에서 이십 분 정도 끓인 뒤 간장과 설탕으로 간을 맞추면 완성됩니다.`,
  `할머니 댁 마당에는 커다란 감나무가 한 그루 서 있었다. 가을이 되면 가지가 휘어질 만큼 감이 열렸고, 우리는 긴 막대기를 들고 하루 종일 나무 밑을 떠나지 않았다. 할머니는 까치가 먹을 것은 남겨 두어야 한다며 꼭대기에 있는 감은 절대로 따지 못하게 하셨다.`,
  `회의 자료를 미리 공유해 주시면 제가 먼저 읽어 보고 질문을 정리해 두겠습니다. 그리고 지난번에 이야기했던 일정 변경은 팀장님께서 승인하셨으니 다음 주 월요일부터 적용하면 됩니다.`,
  `이번 연구는 청소년의 수면 시간과 학습 능력 사이의 관계를 알아보기 위해 진행되었다. 연구진은 전국의 중학생 이천 명을 대상으로 일 년 동안 설문 조사를 실시했으며, 하루에 여덟 시간 이상 자는 학생들이 그렇지 않은 학생들보다 집중력이 높고 스트레스를 덜 받는 것으로 나타났다. 다만 가정 환경 같은 다른 요인도 영향을 줄 수 있어 추가 연구가 필요하다고 덧붙였다.`,
  `비밀번호를 세 번 틀렸더니 로그인이 안 돼요. 어떻게 해야 하나요?`,
  `계정 보호를 위해 삼십 분 동안 로그인이 제한된 상태입니다. 잠시 후 다시 시도하시거나, 로그인 화면 아래에 있는 비밀번호 찾기를 눌러 본인 인증을 하시면 바로 새 비밀번호를 설정하실 수 있습니다. 휴대전화 번호가 바뀌었다면 고객센터로 연락해 주세요.`,
  `오늘 아침 회의에서 쓴 발표 자료를 시간 되실 때 보내 주실 수 있나요?`,
  `좋아요, 내일 봐요!`,
  `기차가 두 시간이나 늦어져 대합실은 사람들로 가득했다. 인형을 안은 아이는 벽에 붙은 타일을 하나씩 세다가 백까지 가면 다시 처음부터 시작했다.`,
  `요청이 실패하면 바로 다시 보내지 말고 잠시 기다렸다가 간격을 늘려 가며 재시도하는 것이 좋습니다. 그렇지 않으면 서버가 복구되자마자 다시 과부하에 걸릴 수 있습니다.`,
];

const emoji = [
  `🎉🎉🎉 we did it!!! 🚀`,
  `Good morning ☀️ coffee first ☕ then code 💻`,
  `😂😂😂 I can't believe he actually said that 💀`,
  `Thanks so much! 🙏❤️ See you on Friday 👋😊`,
  `Status: ✅ build, ✅ tests, ⚠️ lint, ❌ deploy. Retrying now 🔁`,
  `Family trip 👨‍👩‍👧‍👦 to 🇫🇷 and 🇮🇹 next week ✈️🏖️🍝🍷`,
  `👍🏽 👏🏻 🙌🏿 great work team 💪🔥`,
  `🐛 fixed, 📝 docs updated, ♻️ refactor pending, 🔒 secrets rotated, 🧪 more tests coming 🤞`,
];

const typescript = [
  `export function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
`,
  `import { createServer } from "node:http";

const server = createServer((request, response) => {
  if (request.url === "/health") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ status: "ok", uptime: process.uptime() }));
    return;
  }
  response.writeHead(404).end();
});

server.listen(Number(process.env.PORT ?? 8080));
`,
  `interface CacheEntry<Value> {
  readonly value: Value;
  readonly expiresAt: number;
}

/** A map that forgets. Entries are dropped when they are looked up after their time. */
export class ExpiringCache<Key, Value> {
  readonly #entries = new Map<Key, CacheEntry<Value>>();

  constructor(private readonly lifetimeMs: number) {}

  get(key: Key, now: number): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.expiresAt <= now) {
      this.#entries.delete(key);
      return undefined;
    }
    return entry.value;
  }
}
`,
  `export async function retry<T>(attempts: number, work: () => Promise<T>): Promise<T> {
  let lastError: unknown;
  for (let attempt = 1; attempt <= attempts; attempt++) {
    try {
      return await work();
    } catch (error) {
      lastError = error;
      const delay = Math.min(1000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2);
      await new Promise((resolve) => setTimeout(resolve, delay));
    }
  }
  throw new Error("gave up after " + attempts + " attempts", { cause: lastError });
}
`,
  `const byName = [...users].sort((a, b) => a.lastName.localeCompare(b.lastName) || a.id - b.id);`,
  `describe("parseDuration", () => {
  it.each([
    ["90s", 90_000],
    ["5m", 300_000],
    ["2h", 7_200_000],
  ])("reads %s", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it("refuses nonsense", () => {
    expect(() => parseDuration("soon")).toThrow(/not a duration/);
  });
});
`,
  `export function Button({ label, onPress, disabled = false }: ButtonProps): JSX.Element {
  const [busy, setBusy] = useState(false);
  const handleClick = useCallback(async () => {
    setBusy(true);
    try {
      await onPress();
    } finally {
      setBusy(false);
    }
  }, [onPress]);
  return (
    <button className={styles.primary} disabled={disabled || busy} onClick={handleClick}>
      {busy ? <Spinner size={16} /> : label}
    </button>
  );
}
`,
  `type Event =
  | { kind: "opened"; at: number }
  | { kind: "renamed"; at: number; from: string; to: string }
  | { kind: "closed"; at: number; reason?: string };

export function describeEvent(event: Event): string {
  switch (event.kind) {
    case "opened":
      return "opened";
    case "renamed":
      return event.from + " -> " + event.to;
    case "closed":
      return event.reason === undefined ? "closed" : "closed: " + event.reason;
  }
}
`,
];

const python = [
  `def mean(values: list[float]) -> float:
    if not values:
        raise ValueError("no values")
    return sum(values) / len(values)
`,
  `import argparse
import csv
from collections import Counter
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description="Count rows by column")
    parser.add_argument("path", type=Path)
    parser.add_argument("--column", default="status")
    args = parser.parse_args()
    with args.path.open(newline="", encoding="utf-8") as handle:
        counts = Counter(row[args.column] for row in csv.DictReader(handle))
    for name, count in counts.most_common(10):
        print(f"{name:<20} {count:>8}")


if __name__ == "__main__":
    main()
`,
  `@dataclass(frozen=True)
class Interval:
    start: datetime
    end: datetime

    def overlaps(self, other: "Interval") -> bool:
        return self.start < other.end and other.start < self.end

    @property
    def minutes(self) -> int:
        return int((self.end - self.start).total_seconds() // 60)
`,
  `async def fetch_all(session: aiohttp.ClientSession, urls: list[str], limit: int = 8) -> dict[str, bytes]:
    """Download every URL, at most \`limit\` at a time."""
    gate = asyncio.Semaphore(limit)
    results: dict[str, bytes] = {}

    async def fetch(url: str) -> None:
        async with gate:
            async with session.get(url, timeout=30) as response:
                response.raise_for_status()
                results[url] = await response.read()

    await asyncio.gather(*(fetch(url) for url in urls))
    return results
`,
  `squares = {n: n * n for n in range(1, 11) if n % 2 == 1}`,
  `df = pd.read_parquet("sales.parquet")
df["month"] = df["sold_at"].dt.to_period("M")
summary = (
    df.groupby(["region", "month"], as_index=False)
    .agg(revenue=("amount", "sum"), orders=("order_id", "nunique"))
    .sort_values(["region", "month"])
)
summary.to_csv("summary.csv", index=False)
`,
  `class TokenBucket:
    def __init__(self, capacity: int, refill_per_second: float) -> None:
        self._capacity = capacity
        self._tokens = float(capacity)
        self._refill = refill_per_second
        self._updated = time.monotonic()

    def take(self, amount: int = 1) -> bool:
        now = time.monotonic()
        self._tokens = min(self._capacity, self._tokens + (now - self._updated) * self._refill)
        self._updated = now
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True
`,
  `def test_transfer_is_atomic(db):
    alice, bob = db.create_account(100), db.create_account(0)
    with pytest.raises(InsufficientFunds):
        db.transfer(alice, bob, 150)
    assert db.balance(alice) == 100
    assert db.balance(bob) == 0
`,
];

const json = [
  `{"ok":true,"count":3,"items":["apple","pear","plum"]}`,
  JSON.stringify({
    type: "tool-getWeather",
    toolCallId: "call_" + base64("weather", 1).replaceAll(/[+/=]/g, "").slice(0, 24),
    state: "output-available",
    input: { city: "Lisbon", unit: "celsius" },
    output: {
      temperature: 21.4,
      conditions: "partly cloudy",
      humidity: 0.63,
      wind: { speed: 14, direction: "NW" },
    },
  }),
  JSON.stringify(
    {
      id: 48213,
      name: "Mountain tent for two",
      price: { amount: 189.9, currency: "EUR" },
      tags: ["outdoor", "camping", "lightweight"],
      stock: [
        { warehouse: "north", available: 12 },
        { warehouse: "south", available: 0 },
      ],
    },
    null,
    2,
  ),
  JSON.stringify(
    {
      error: {
        code: "rate_limited",
        message: "Too many requests, try again in 30 seconds",
        details: { limit: 100, window: "1m", retry_after_ms: 30000 },
      },
      request_id: uuid("request"),
      timestamp: "2026-11-20T09:15:42.318Z",
    },
    null,
    2,
  ),
  JSON.stringify({
    query: "SELECT id, email FROM users WHERE created_at > $1 ORDER BY id LIMIT 50",
    params: ["2026-01-01"],
    rows: 50,
    duration_ms: 12.7,
  }),
  JSON.stringify({
    results: [
      {
        title: "How to repair a bicycle chain",
        url: "https://example.org/guides/bicycle-chain",
        score: 0.9132,
        snippet: "Start by removing the rear wheel and cleaning the chain with a dry cloth.",
      },
      {
        title: "Choosing the right chain oil",
        url: "https://example.org/shop/oils?sort=price&page=2",
        score: 0.8475,
        snippet: "Dry lubricants attract less dust, wet ones last longer in the rain.",
      },
    ],
    next_cursor: null,
    has_more: false,
  }),
  JSON.stringify({
    role: "assistant",
    parts: [
      { type: "step-start" },
      { type: "reasoning", text: "The user wants the total, so I add both columns first." },
      { type: "text", text: "The total is 1,284.50 euros.\nShall I export it?" },
    ],
  }),
  JSON.stringify(
    {
      name: "inventory-service",
      version: "2.4.1",
      private: true,
      scripts: { build: "tsc -p .", start: "node dist/main.js", test: "vitest run" },
      dependencies: { fastify: "^5.2.0", pg: "^8.13.1", zod: "~4.0.5" },
      engines: { node: ">=22" },
    },
    null,
    2,
  ),
];

const markdown = [
  `## Install

\`\`\`sh
npm install shelf-keeper
\`\`\`

Then add it to your *config*:
`,
  `# Release notes

## 3.2.0

- **New:** export to CSV and JSON ([docs](https://example.org/docs/export)).
- **Fixed:** the date picker no longer skips the last day of February.
- **Removed:** the \`--legacy\` flag. Use \`--compat=2\` instead.

> Upgrading from 2.x? Read the [migration guide](./MIGRATING.md) first.
`,
  `| Option | Type | Default | Meaning |
| --- | --- | --- | --- |
| \`timeout\` | number | \`30000\` | Milliseconds before a request is given up |
| \`retries\` | number | \`3\` | How often a failed request is sent again |
| \`verbose\` | boolean | \`false\` | Print every request |
`,
  `Here's what I found:

1. The **login form** posts to \`/api/session\`, but the proxy rewrites it to \`/session\`.
2. Because of that, the cookie is set on the wrong path.
3. Changing \`path: "/api"\` to \`path: "/"\` fixes it.

Do you want me to open a pull request with that change? I'd also add a test for it.
`,
  `- [x] write the parser
- [ ] benchmarks
- [ ] docs
`,
  `### Why a queue?

Without one, a slow consumer blocks the producer. With one, we get:

* **back-pressure** when it is full,
* *ordering* within a partition,
* retries that don't need the caller.

---

![diagram](images/queue.svg)

\`\`\`ts
const queue = new Queue({ size: 1024 });
await queue.push(job);
\`\`\`
`,
  `**Summary**

The migration ran for *42 minutes* and touched 18 tables. Two indexes were rebuilt: \`orders_by_customer\` and \`invoices_by_date\`. See [the log](logs/2026-11-03.txt) for details.
`,
  `# Contributing

Thanks for helping out! Please:

1. Open a ticket first for anything bigger than a typo.
2. Keep commits small, with a message that says *why*.
3. Run \`make check\` before you push.

## Code of conduct

Be kind. Assume good intent, give credit, and leave things better than you found them.
`,
];

const logs = [
  `2026-11-20T08:14:03.221Z INFO  server listening on 0.0.0.0:4000`,
  `2026-11-20T08:14:09.870Z WARN  pool slow checkout: waited 1204 ms (size=10, idle=0, waiting=37)
2026-11-20T08:14:10.112Z ERROR request failed method=POST path=/v1/orders status=503 duration_ms=5003 error="connection timed out"
2026-11-20T08:14:10.115Z INFO  retrying in 250 ms (attempt 2 of 5)
`,
  `[12:01:44] Starting 'compile'...
[12:01:49] Finished 'compile' after 4.82 s
[12:01:49] Starting 'bundle'...
[12:01:50] Error: Cannot find module './routes/index.js'
    at resolve (/app/node_modules/bundler/lib/resolve.js:118:13)
    at async load (/app/node_modules/bundler/lib/load.js:42:20)
    at async run (/app/scripts/build.mjs:17:3)
`,
  `Traceback (most recent call last):
  File "/srv/app/worker.py", line 88, in run
    result = handler(job.payload)
  File "/srv/app/handlers/email.py", line 31, in send
    recipient = payload["recipient"]
KeyError: 'recipient'
`,
  `10.0.3.17 - - [20/Nov/2026:08:15:22 +0000] "GET /assets/app.css HTTP/1.1" 304 0 "-" "Mozilla/5.0"`,
  `192.168.1.24 - alice [20/Nov/2026:08:15:23 +0000] "POST /login HTTP/1.1" 200 512 "https://example.org/" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
192.168.1.31 - - [20/Nov/2026:08:15:25 +0000] "GET /favicon.ico HTTP/1.1" 404 153 "-" "curl/8.5.0"
`,
  `level=info ts=1763626523.118 caller=compactor.go:214 msg="compaction done" blocks=4 bytes=18274611 duration=3.2s
level=warn ts=1763626524.902 caller=ring.go:77 msg="instance unhealthy" instance=ingester-2 last_heartbeat=61s
`,
  `Nov 20 08:16:01 web-1 systemd[1]: Started Session 4127 of user deploy.
Nov 20 08:16:04 web-1 sshd[20931]: Accepted publickey for deploy from 10.0.0.5 port 52814 ssh2
Nov 20 08:16:05 web-1 kernel: [81234.552310] eth0: link becomes ready
Nov 20 08:16:31 web-1 nginx[1182]: worker process 20417 exited on signal 9
`,
];

const identifiers = [
  uuid("first"),
  Array.from({ length: 5 }, (_, n) => uuid(`list ${n}`)).join("\n"),
  hex("commit").slice(0, 40),
  base64("small file", 4),
  hex("a") + hex("b"),
  Array.from(
    { length: 6 },
    (_, n) => hex(`object ${n}`).slice(0, 12) + "  " + hex(`tree ${n}`).slice(0, 40),
  ).join("\n"),
  base64("key", 16),
  base64("image", 40).replaceAll("+", "-").replaceAll("/", "_"),
];

const numbers = [
  `3.14159, 2.71828, 1.41421`,
  `date,open,high,low,close,volume
2026-11-16,101.20,103.85,100.90,103.10,1820344
2026-11-17,103.15,104.00,101.75,102.05,1544210
2026-11-18,102.00,102.40,98.60,99.35,2310987
`,
  `id;name;city;amount
1;Anna Berger;Graz;1204.50
2;Tom Hale;Leeds;87.00
3;Lucia Ortega;Vigo;15320.75
`,
  `[0.0132, -0.8841, 0.2207, 0.0094, -0.1175, 0.6630, -0.3018, 0.4459, -0.0276, 0.7712]`,
  `+49 30 1234567, ext. 89`,
  `Invoice 2026-00417: 12 x 14.99 = 179.88, VAT 19 % 34.18, total 214.06 EUR, due 2026-12-04`,
  `1\t0.25\t1024\n2\t0.50\t2048\n3\t0.75\t4096\n4\t1.00\t8192\n5\t1.25\t16384\n`,
  `sensor,t,value
a1,1763600000,21.5
a1,1763600060,21.6
b7,1763600000,48.02
b7,1763600060,47.95
c3,1763600000,1013
c3,1763600060,1012
`,
];

export const corpus: readonly Category[] = [
  { name: "English prose", samples: english },
  { name: "German", samples: german },
  { name: "French", samples: french },
  { name: "Spanish", samples: spanish },
  { name: "Russian", samples: russian },
  { name: "Ukrainian", samples: ukrainian },
  { name: "Greek", samples: greek },
  { name: "Arabic", samples: arabic },
  { name: "Hebrew", samples: hebrew },
  { name: "Hindi", samples: hindi },
  { name: "Thai", samples: thai },
  { name: "Japanese", samples: japanese },
  { name: "Chinese", samples: chinese },
  { name: "Korean", samples: korean },
  { name: "Emoji in chat", samples: emoji },
  { name: "TypeScript code", samples: typescript },
  { name: "Python code", samples: python },
  { name: "JSON tool output", samples: json },
  { name: "Markdown", samples: markdown },
  { name: "Logs", samples: logs },
  { name: "UUID, hex, base64", samples: identifiers },
  { name: "Numbers, CSV", samples: numbers },
];
